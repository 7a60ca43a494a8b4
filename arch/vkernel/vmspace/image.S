/* The stub program, carried in the vkernel; see stub/. */
    .section .rodata
    .balign 16
    .globl stub_image, stub_image_end
stub_image:
    .incbin STUB_IMAGE
stub_image_end:
    .section .note.GNU-stack, "", @progbits
