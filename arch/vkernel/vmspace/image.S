/* The stub program, carried in the vkernel; see stub/. */
#ifndef STUB_IMAGE /* native tests are compiled in the root of the tree, after the kernel */
#define STUB_IMAGE "build/vkernel/stub"
#endif
    .section .rodata
    .balign 16
    .globl stub_image, stub_image_end
stub_image:
    .incbin STUB_IMAGE
stub_image_end:
    .section .note.GNU-stack, "", @progbits
