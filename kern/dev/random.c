/*
 * Random numbers: a generator around the ChaCha20 block function (RFC 8439), seeded by the machine.
 *
 * The state is one key. A request runs the block function once under it: half of the 64 bytes
 * becomes the next key, the other half the request's own key, with which it then makes as
 * many blocks as it needs, outside the lock. The old key is gone, so that who reads the state
 * later cannot recompute what was given out before ("fast key erasure", Bernstein 2017).
 *
 * Locks: random_lock protects the key.
 */
#include "kern/dev/random.h"

#include "kern/abi/errno.h"
#include "kern/machine.h"
#include "kern/schedule_point.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "kern/syscall.h"
#include "kern/uaccess.h"

#define KEY_WORDS     8
#define BLOCK_WORDS   16
#define BLOCK_BYTES   (BLOCK_WORDS * sizeof(uint32_t))
#define DOUBLE_ROUNDS 10

static struct spinlock random_lock = SPINLOCK_INITIALIZER("random", LOCK_DEVICE);
static uint32_t random_key[KEY_WORDS]; /* random_lock */
static bool random_is_seeded;          /* random_lock */

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

/* RFC 8439, section 2.3, with a counter of 64 bits and a nonce of zeros. */
static void chacha20_block(const uint32_t key[], uint64_t counter, uint32_t out[])
{
    static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint32_t x[BLOCK_WORDS], start[BLOCK_WORDS] = {0};

    memcpy(start, constants, sizeof(constants));
    memcpy(start + 4, key, KEY_WORDS * sizeof(*key));
    start[12] = (uint32_t)counter;
    start[13] = (uint32_t)(counter >> 32);
    memcpy(x, start, sizeof(x));
    for (int i = 0; i < DOUBLE_ROUNDS; i++) {
        for (int column = 0; column < 4; column++)
            quarter_round(&x[column], &x[4 + column], &x[8 + column], &x[12 + column]);
        for (int diagonal = 0; diagonal < 4; diagonal++)
            quarter_round(&x[diagonal], &x[4 + (diagonal + 1) % 4], &x[8 + (diagonal + 2) % 4],
                          &x[12 + (diagonal + 3) % 4]);
    }
    for (int i = 0; i < BLOCK_WORDS; i++)
        out[i] = x[i] + start[i];
}

/* From the machine, or, where a run is to be repeated, from its seed. */
static void make_first_key(void)
{
    if (!schedule_is_controlled) {
        machine_random(random_key, sizeof(random_key));
        return;
    }
    for (unsigned i = 0; i < KEY_WORDS; i++)
        random_key[i] = (uint32_t)schedule_random("random bytes", i);
}

/* A key for one request; the generator moves on to its next. */
static void take_key(uint32_t key[])
{
    uint32_t block[BLOCK_WORDS];

    spin_lock(&random_lock);
    if (!random_is_seeded) {
        make_first_key();
        random_is_seeded = true;
    }
    chacha20_block(random_key, 0, block);
    memcpy(random_key, block, sizeof(random_key));
    spin_unlock(&random_lock);
    memcpy(key, block + KEY_WORDS, KEY_WORDS * sizeof(*key));
}

void random_bytes(void *buffer, size_t size)
{
    uint32_t key[KEY_WORDS], block[BLOCK_WORDS];
    char *to = buffer;
    size_t span;

    take_key(key);
    for (uint64_t counter = 0; size > 0; counter++) {
        chacha20_block(key, counter, block);
        span = min(size, BLOCK_BYTES);
        memcpy(to, block, span);
        to += span;
        size -= span;
    }
}

/* getrandom(2)'s flags: all that they choose between is the same here. */
#define GRND_NONBLOCK 1u
#define GRND_RANDOM   2u
#define GRND_INSECURE 4u

#define GETRANDOM_MAX 0x1ffffffu /* Linux gives no more at once */

int64_t sys_getrandom(const uint64_t arg[])
{
    uaddr_t address = arg[0];
    size_t size = min(arg[1], (uint64_t)GETRANDOM_MAX), done, span;
    uint32_t flags = (uint32_t)arg[2];
    char buffer[512];

    if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) != 0)
        return -EINVAL;
    if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    for (done = 0; done < size; done += span) {
        span = min(size - done, sizeof(buffer));
        random_bytes(buffer, span);
        if (copyout(address + done, buffer, span) != 0)
            return done > 0 ? (int64_t)done : -EFAULT;
    }
    return (int64_t)done;
}
