/* A disk that is memory shared with the host. See ivshmem.c. */
#pragma once

struct pci_device;

/* If that is what the device is, register it as a disk. */
void ivshmem_attach(const struct pci_device *pci);
