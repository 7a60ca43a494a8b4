# Turn the output of `nm -n` into the C source of the kernel's symbol table: functions only,
# in rising order, as offsets from kernel_main (see kern/symbols.h). The compiler does the
# subtraction: awk's numbers are too short for addresses.

BEGIN { count = 0 }

# The first symbol behind the code tells where the last function ends.
$2 !~ /^[tTwW]$/ && count > 0 && end_of == count - 1 { end = $1; end_of = -1 }

$2 ~ /^[tT]$/ {
    end_of = count
    address[count] = $1
    name[count++] = $3
    if ($3 == "kernel_main")
        kernel_main = $1
}

END {
    print "#include \"kern/symbols.h\"\n"
    print "const struct symbol symbol_table[] = {"
    for (i = 0; i < count; i++)
        printf "    {(int32_t)(0x%sUL - 0x%sUL), \"%s\"},\n", address[i], kernel_main, name[i]
    if (end != "")
        printf "    {(int32_t)(0x%sUL - 0x%sUL), \"end\"},\n", end, kernel_main
    print "    {INT32_MAX, NULL},\n};"
    print "const size_t symbol_count = " count + (end != "") ";"
}
