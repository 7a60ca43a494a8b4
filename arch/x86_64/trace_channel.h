/*
 * The channel for the event trace: memory shared with the host. See trace_channel.c.
 */
#pragma once

struct pci_device;

/* For pci_scan(): take the device, if it is QEMU's shared memory. */
void trace_channel_attach(const struct pci_device *pci);
