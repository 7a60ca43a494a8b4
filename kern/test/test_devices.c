/* unit: kern/dev/block.c kern/dev/random.c kern/dev/disk.c kern/file.c kern/format.c kern/test/fake_files.c kern/test/check.c kern/test/fake_trace.c kern/test/fake_fail.c */
/*
 * Disks and random numbers: the registry, transfers of any offset and length against a disk in
 * memory, errors; and the generator's bytes.
 */
#include "kern/test/check.h"

#include "kern/abi/errno.h"
#include "kern/abi/fcntl.h"
#include "kern/dev/block.h"
#include "kern/dev/device.h"
#include "kern/dev/random.h"
#include "kern/file.h"
#include "kern/test/fake_files.h"

#define SECTORS 300

static char contents[SECTORS * SECTOR_SIZE];
static struct block_request *waiting; /* a request that the disk has not completed yet */
static bool is_slow, is_broken;
static int flushes;

static void complete(struct block_request *request)
{
    char *place = contents + request->sector * SECTOR_SIZE;
    size_t size = request->count * SECTOR_SIZE;

    if (request->is_flush)
        flushes++;
    else if (request->is_write)
        memcpy(place, request->data, size);
    else
        memcpy(request->data, place, size);
    if (is_broken)
        request->error = -EIO;
    request->done(request);
}

static void submit(struct block_device *device, struct block_request *request)
{
    (void)device;
    if (is_slow)
        waiting = request;
    else
        complete(request);
}

static int sleep_until_complete(void)
{
    complete(waiting);
    return 0;
}

static const struct block_driver driver = {.submit = submit};
static struct block_device disk = {.sectors = SECTORS, .driver = &driver};
static struct block_device second = {.sectors = 1, .driver = &driver, .is_read_only = true};

static void test_block(void)
{
    static char data[2 * SECTOR_SIZE];

    CHECK(block_find("disk0") == NULL && block_at(0) == NULL);
    block_register(&disk);
    block_register(&second);
    CHECK(block_find("disk0") == &disk && block_find("disk1") == &second);
    CHECK(block_at(1) == &second && block_at(2) == NULL);
    memset(data, 'a', sizeof(data));
    CHECK(block_transfer(&disk, SECTORS - 2, 2, data, true) == 0);
    CHECK(contents[sizeof(contents) - 1] == 'a');
    CHECK(block_transfer(&disk, SECTORS - 1, 2, data, true) == -EIO);
    CHECK(block_transfer(&disk, UINT64_MAX, 2, data, true) == -EIO);
    CHECK(block_transfer(&disk, 0, 0, data, true) == -EIO);
    CHECK(block_transfer(&second, 0, 1, data, true) == -EIO);
    CHECK(block_transfer(&second, 0, 1, data, false) == 0);
    is_slow = true;
    fake_sleep = sleep_until_complete;
    CHECK(block_transfer(&disk, 0, 2, data, false) == 0 && data[0] == 0);
    CHECK(block_flush(&disk) == 0 && flushes == 1);
    is_broken = true;
    CHECK(block_transfer(&disk, 0, 2, data, false) == -EIO);
    is_broken = is_slow = false;
    fake_sleep = NULL;
}

static void test_raw_disk(void)
{
    static char expected[sizeof(contents)], data[sizeof(contents)];
    struct file *file;
    unsigned random = 1;
    off_t position;

    CHECK(file_create(&disk_ops, O_RDWR, NULL, &disk, &file) == 0);
    memcpy(expected, contents, sizeof(contents));
    for (int i = 0; i < 2000; i++) {
        size_t offset, size;
        ssize_t moved;

        random = random * 1103515245 + 12345;
        offset = (random >> 8) % sizeof(contents);
        random = random * 1103515245 + 12345;
        size = min((random >> 8) % 70000, sizeof(contents) - offset);
        position = (off_t)offset;
        memset(data, i, size);
        if (i % 2 == 0) {
            moved = file->ops->write(file, data, size, &position);
            memset(expected + offset, i, (size_t)moved);
        } else {
            moved = file->ops->read(file, data, size, &position);
            CHECK(memcmp(data, expected + offset, (size_t)moved) == 0);
        }
        CHECK(moved > 0 || size == 0);
        CHECK(position == (off_t)offset + moved);
    }
    CHECK(memcmp(contents, expected, sizeof(contents)) == 0);
    position = sizeof(contents);
    CHECK(file->ops->read(file, data, 1, &position) == 0);
    CHECK(file->ops->write(file, data, 1, &position) == -ENOSPC);
    CHECK(file->ops->size(file) == (off_t)sizeof(contents));
    is_broken = true;
    position = 5;
    CHECK(file->ops->write(file, data, 1, &position) == -EIO && position == 5);
    is_broken = false;
    file_release(file);
}

static void test_random(void)
{
    uint8_t a[200], b[200];
    unsigned ones = 0;

    /* The machine's seed is 32 times 42 here; another ChaCha20 gave these bytes. */
    random_bytes(a, sizeof(a));
    CHECK(memcmp(a, "\x98\x9a\x72\x0f\x86\x72\x61\xae", 8) == 0);
    CHECK(memcmp(a + 64, "\xc0\xc1\x03\xcf\xe3\x6e\xc3\x94", 8) == 0);
    random_bytes(b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0 && memcmp(a, a + 64, 64) != 0);
    for (size_t i = 0; i < sizeof(a); i++)
        ones += (unsigned)__builtin_popcount(a[i]);
    CHECK(ones > 650 && ones < 950);
}

int main(void)
{
    test_block();
    test_raw_disk();
    test_random();
    CHECK(fake_allocations == 0 && fake_held_locks == 0);
    return check_report();
}
