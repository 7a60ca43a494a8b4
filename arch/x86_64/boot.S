/*
 * The first instructions of each CPU: from 32-bit protected mode (the boot CPU) or real mode
 * (the others) to 64-bit C code in the highest 2 GiB.
 *
 * A PVH loader (Xen's x86/HVM direct boot ABI; QEMU's -kernel) reads the entry's address from
 * an ELF note and jumps there in 32-bit mode: flat segments, paging off, ebx = the physical
 * address of struct hvm_start_info (memory.c). Until C takes over, all runs on the static page
 * tables below, which show the first GiB three times: where it is, in the direct map, and at
 * KERNEL_BASE.
 */

/* As in <machine/param.h>, whose constants the assembler cannot read, and link.ld. */
#define KERNEL_BASE 0xffffffff80000000
#define STACK_SIZE  16384

/* A symbol's physical address. */
#define PHYSICAL(symbol) (symbol - KERNEL_BASE)

/* Intel SDM vol. 3A, section 2.5 (CR0, CR4) and 2.2.1 (EFER). */
#define CR0_VALUE    0x80010033 /* PG | WP | NE | ET | MP | PE; caches on */
#define CR0_PE       0x00000001
#define CR4_VALUE    0x000006a0 /* OSXMMEXCPT | OSFXSR | PGE | PAE */
#define MSR_EFER     0xc0000080
#define EFER_VALUE   0x00000901 /* NXE | LME | SCE */

/* Page table bits, SDM vol. 3A, section 4.5. */
#define TABLE        0x003 /* present, writable */
#define LARGE_PAGE   0x083 /* present, writable, 2 MiB */

/* Selectors in boot_gdt. */
#define CODE64       0x08
#define CODE32       0x10
#define DATA32       0x18

        /* "XEN_ELFNOTE_PHYS32_ENTRY" (Xen, public/elfnote.h). */
        .section .note.pvh, "a", @note
        .balign 4
        .long   4, 8, 18                /* length of the name, of the value; the type */
        .asciz  "Xen"
        .quad   PHYSICAL(boot_start)

        .text
        .code32
        .globl  boot_start
boot_start:                             /* the boot CPU; ebx = start info, never 0 */
        cli
        cld
        jmp     enter_long_mode

start_other:                            /* from the trampoline, with CODE32 in cs */
        mov     $DATA32, %eax
        mov     %eax, %ds
        xor     %ebx, %ebx              /* no start info: not the boot CPU */

enter_long_mode:
        mov     $CR4_VALUE, %eax
        mov     %eax, %cr4
        mov     $PHYSICAL(boot_pml4), %eax
        mov     %eax, %cr3
        mov     $MSR_EFER, %ecx
        rdmsr
        or      $EFER_VALUE, %eax
        wrmsr
        mov     $CR0_VALUE, %eax
        mov     %eax, %cr0              /* compatibility mode from here on */
        lgdt    PHYSICAL(boot_gdt_pointer)
        ljmp    $CODE64, $PHYSICAL(start64)

        .code64
start64:
        movabs  $start64_high, %rax
        jmp     *%rax
start64_high:
        xor     %eax, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        xor     %ebp, %ebp              /* backtraces end here */
        mov     %ebx, %edi
        test    %edi, %edi
        jz      1f
        mov     $boot_stack + STACK_SIZE, %rsp
        call    machine_start           /* (paddr_t start_info) */
1:      mov     smp_start_root, %rax
        mov     %rax, %cr3              /* the stack is mapped in the kernel's table only */
        mov     smp_start_stack, %rsp
        call    smp_start               /* (void) */
        ud2

/*
 * Where the other CPUs begin, in real mode: smp.c copies this to a page below 1 MiB and starts
 * them there, with cs = page / 16 and ip = 0.
 */
        .section .rodata
        .globl  smp_trampoline, smp_trampoline_end
        .code16
smp_trampoline:
        cli
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   trampoline_gdt_pointer - smp_trampoline
        mov     %cr0, %eax
        or      $CR0_PE, %al
        mov     %eax, %cr0
        ljmpl   $CODE32, $PHYSICAL(start_other)
trampoline_gdt_pointer:
        .word   boot_gdt_end - boot_gdt - 1
        .long   PHYSICAL(boot_gdt)
smp_trampoline_end:

        .balign 8
boot_gdt:
        .quad   0
        .quad   0x00af9b000000ffff      /* CODE64 */
        .quad   0x00cf9b000000ffff      /* CODE32 */
        .quad   0x00cf93000000ffff      /* DATA32 */
boot_gdt_end:
boot_gdt_pointer:
        .word   boot_gdt_end - boot_gdt - 1
        .long   PHYSICAL(boot_gdt)

        .data
        .balign 4096
boot_pml4:
        .quad   PHYSICAL(boot_pdpt_low) + TABLE         /* 0: identity */
        .fill   255, 8, 0
        .quad   PHYSICAL(boot_pdpt_low) + TABLE         /* 256: DIRECT_MAP_BASE */
        .fill   254, 8, 0
        .quad   PHYSICAL(boot_pdpt_high) + TABLE        /* 511 */
boot_pdpt_low:
        .quad   PHYSICAL(boot_pd) + TABLE
        .fill   511, 8, 0
boot_pdpt_high:
        .fill   510, 8, 0
        .quad   PHYSICAL(boot_pd) + TABLE               /* 510: KERNEL_BASE */
        .quad   0
boot_pd:
        .set    page, 0
        .rept   512
        .quad   page + LARGE_PAGE
        .set    page, page + 0x200000
        .endr

        .bss
        .balign 16
boot_stack:
        .skip   STACK_SIZE

        .section .note.GNU-stack, "", @progbits
