/*
 * The table of devices. Character devices are fixed, with Linux's numbers where Linux has the
 * device; block devices are the registered disks.
 */
#include "kern/dev/device.h"

#include "kern/abi/errno.h"
#include "kern/abi/stat.h"
#include "kern/dev/block.h"
#include "kern/file.h"
#include "kern/machine.h"
#include "kern/string.h"
#include "kern/tty.h"

#define DISK_MAJOR 254

/* /dev/results: the channel to whoever started the machine. */
static ssize_t results_write(struct file *file, const void *buffer, size_t size, off_t *position)
{
    (void)file;
    (void)position;
    machine_results_write(buffer, size);
    return (ssize_t)size;
}

static const struct file_ops results_ops = {.write = results_write};

static const struct character_device {
    struct device device;
    const struct file_ops *ops; /* NULL: the terminal */
} character_devices[] = {
    {{"null", DEVICE_NUMBER(1, 3), S_IFCHR | 0666}, &null_ops},
    {{"zero", DEVICE_NUMBER(1, 5), S_IFCHR | 0666}, &zero_ops},
    {{"full", DEVICE_NUMBER(1, 7), S_IFCHR | 0666}, &full_ops},
    {{"random", DEVICE_NUMBER(1, 8), S_IFCHR | 0666}, &random_ops},
    {{"urandom", DEVICE_NUMBER(1, 9), S_IFCHR | 0666}, &random_ops},
    {{"tty", DEVICE_NUMBER(5, 0), S_IFCHR | 0666}, NULL},
    {{"console", DEVICE_NUMBER(5, 1), S_IFCHR | 0600}, NULL},
    {{"results", DEVICE_NUMBER(10, 200), S_IFCHR | 0600}, &results_ops},
};

#define DEVICE_TTY DEVICE_NUMBER(5, 0)

bool device_at(unsigned index, struct device *device)
{
    struct block_device *disk;

    if (index < array_length(character_devices)) {
        *device = character_devices[index].device;
        return true;
    }
    index -= array_length(character_devices);
    disk = block_at(index);
    if (disk == NULL)
        return false;
    *device = (struct device){.number = DEVICE_NUMBER(DISK_MAJOR, index), .mode = S_IFBLK | 0660};
    string_copy(device->name, disk->name, sizeof(device->name));
    return true;
}

static int character_open(dev_t number, struct file *file)
{
    for (size_t i = 0; i < array_length(character_devices); i++) {
        const struct character_device *entry = &character_devices[i];

        if (entry->device.number != number)
            continue;
        if (entry->ops != NULL)
            file->ops = entry->ops;
        else if (number != DEVICE_TTY || tty_is_controlling())
            tty_open(file);
        else
            return -ENXIO;
        return 0;
    }
    return -ENXIO;
}

static struct block_device *find_disk(dev_t number)
{
    if (number < DEVICE_NUMBER(DISK_MAJOR, 0) || number > DEVICE_NUMBER(DISK_MAJOR, 255))
        return NULL;
    return block_at((unsigned)(number - DEVICE_NUMBER(DISK_MAJOR, 0)));
}

int device_open(mode_t type, dev_t number, struct file *file)
{
    struct block_device *disk;

    if (type == S_IFCHR)
        return character_open(number, file);
    disk = find_disk(number);
    if (disk == NULL)
        return -ENXIO;
    file->ops = &disk_ops;
    file->data = disk;
    return 0;
}

int device_flush(dev_t number)
{
    struct block_device *disk = find_disk(number);

    return disk != NULL ? block_flush(disk) : -ENXIO;
}
