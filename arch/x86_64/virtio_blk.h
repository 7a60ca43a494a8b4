/*
 * Disks of virtual machines; see virtio_blk.c.
 */
#pragma once

struct pci_device;

/* If the device is a virtio disk, start and register it. */
void virtio_blk_attach(const struct pci_device *device);
