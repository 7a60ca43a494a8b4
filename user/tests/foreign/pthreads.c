/*
 * POSIX threads of a foreign library: mutexes, condition variables, barriers, read-write locks,
 * thread-local storage, cancellation, once, keys, semaphores, robust mutexes, a mutex between
 * processes, exit with threads alive.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define ROUNDS  500

static void start(pthread_t *thread, void *(*run)(void *), void *argument)
{
    int error = pthread_create(thread, NULL, run, argument);

    if (error != 0) {
        printf("pthread_create: %s\n", strerror(error));
        exit(1);
    }
}

static void run_all(void *(*run)(void *))
{
    pthread_t threads[THREADS];
    long sum = 0;
    void *result;

    for (long i = 0; i < THREADS; i++)
        start(&threads[i], run, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    printf("results add up to %ld\n", sum);
}

/* --- Mutexes and memory ------------------------------------------------------------------------
 */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static __thread long own = 5;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;

static void initialise(void)
{
    initialised++;
}

static void *count(void *argument)
{
    pthread_once(&once, initialise);
    for (int i = 0; i < ROUNDS; i++) {
        char *memory = malloc(100 + i);
        memset(memory, i, 100);
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
        own += memory[99] == (char)i;
        free(memory);
    }
    return (void *)(own + (long)argument);
}

/* --- Condition variables: a bounded queue --------------------------------------------------------
 */

static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int queue[4], queued;

static void *produce_and_consume(void *argument)
{
    long sum = 0;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        if ((long)argument % 2 == 0) {
            while (queued == 4)
                pthread_cond_wait(&not_full, &mutex);
            queue[queued++] = i;
            pthread_cond_signal(&not_empty);
        } else {
            while (queued == 0)
                pthread_cond_wait(&not_empty, &mutex);
            sum += queue[--queued];
            pthread_cond_broadcast(&not_full);
        }
        pthread_mutex_unlock(&mutex);
    }
    return (void *)sum;
}

static void wait_with_limit(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_nsec += 1000000;
    now.tv_sec += now.tv_nsec / 1000000000;
    now.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&not_empty, &mutex, &now);
    printf("a wait with a limit: %d, a lock with one: %d\n", error == ETIMEDOUT,
           pthread_mutex_timedlock(&mutex, &now) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

/* --- Barriers, read-write locks, semaphores ------------------------------------------------------
 */

static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static long shared[THREADS];

static void *meet(void *argument)
{
    long me = (long)argument, serial = 0, wrong = 0;

    for (long round = 1; round <= 50; round++) {
        shared[me] = round;
        serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
        for (int i = 0; i < THREADS; i++)
            wrong += shared[i] != round;
        pthread_barrier_wait(&barrier);
    }
    return (void *)(serial + 1000 * wrong);
}

static void *read_and_write(void *argument)
{
    static long one, two;
    long wrong = 0;

    for (int i = 0; i < ROUNDS; i++) {
        if ((i + (long)argument) % 4 == 0) {
            pthread_rwlock_wrlock(&rwlock);
            one++;
            two++;
        } else {
            pthread_rwlock_rdlock(&rwlock);
            wrong += one != two;
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return (void *)wrong;
}

static void *take_turns(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        while (sem_wait(&semaphore) != 0)
            continue;
        sem_post(&semaphore);
    }
    return (void *)1;
}

/* --- Cancellation and ends
 * ------------------------------------------------------------------------ */

static pthread_key_t key;
static int cleaned, destroyed;

static void clean(void *argument)
{
    cleaned += *(int *)argument;
}

static void destroy(void *value)
{
    destroyed += (int)(long)value;
}

static void *wait_to_be_cancelled(void *argument)
{
    int ten = 10;

    pthread_setspecific(key, (void *)7);
    pthread_cleanup_push(clean, &ten);
    if (argument == NULL) {
        int ends[2];
        char byte;

        if (pipe(ends) == 0 && read(ends[0], &byte, 1) == 0)
            puts("a pipe with a writer has ended");
    } else {
        pthread_mutex_lock(&mutex);
        for (;;)
            pthread_cond_wait(argument, &mutex);
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void *compute(void *argument)
{
    volatile long *rounds = argument;

    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        ++*rounds;
    return NULL;
}

static void *end_from_below(void *argument)
{
    pthread_exit((char *)argument + 1);
}

static void cancellation(void)
{
    static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    static volatile long rounds;
    pthread_t thread;
    void *result;

    pthread_key_create(&key, destroy);
    start(&thread, wait_to_be_cancelled, NULL);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled in read: %d\n", result == PTHREAD_CANCELED);
    start(&thread, wait_to_be_cancelled, &never);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    /* The cleanup did not unlock what pthread_cond_wait() had locked again. */
    printf("cancelled in a wait: %d\n", result == PTHREAD_CANCELED);
    start(&thread, compute, (void *)&rounds);
    while (rounds == 0)
        sched_yield();
    pthread_cancel(thread);
    pthread_join(thread, &result);
    printf("cancelled while it computed: %d\n", result == PTHREAD_CANCELED);
    start(&thread, end_from_below, NULL);
    pthread_join(thread, &result);
    printf("pthread_exit: %ld\n", (long)result);
}

/* --- Signals
 * -------------------------------------------------------------------------------------- */

static volatile sig_atomic_t on_own_stack;
static char *volatile alternate;
static sigjmp_buf back;

static void overflow_handler(int signal)
{
    char here;

    (void)signal;
    on_own_stack = &here >= alternate && &here < alternate + 65536;
    siglongjmp(back, 1);
}

static int recurse(volatile char *before, int depth)
{
    volatile char page[4096];

    page[0] = before[0];
    return depth == 0 ? 0 : recurse(page, depth - 1) + page[0];
}

static void *overflow(void *argument)
{
    volatile char first = 0;
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};

    (void)argument;
    alternate = stack.ss_sp;
    sigaltstack(&stack, NULL);
    if (sigsetjmp(back, 1) == 0)
        recurse(&first, 1000000);
    return (void *)(long)on_own_stack;
}

static void *wait_for_signal(void *argument)
{
    int signal = 0;
    sigset_t set;

    (void)argument;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    signal = sigismember(&set, SIGUSR1);
    return (void *)(long)signal;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = overflow_handler, .sa_flags = SA_ONSTACK};
    pthread_t thread;
    sigset_t set;
    void *result;

    sigaction(SIGSEGV, &action, NULL);
    start(&thread, overflow, NULL);
    pthread_join(thread, &result);
    printf("a stack overflow in a thread is handled: %ld\n", (long)result);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    start(&thread, wait_for_signal, NULL);
    pthread_join(thread, &result);
    printf("the mask is inherited: %ld\n", (long)result);
}

/* --- Between processes, robust
 * ----------------------------------------------------------------------- */

static void *die_with_lock(void *argument)
{
    pthread_mutex_lock(argument);
    return NULL;
}

static void robust(void)
{
    pthread_mutex_t *common =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_t thread;
    int status;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(common, &attributes);
    start(&thread, die_with_lock, common);
    int error = pthread_mutex_lock(common);
    if (error == 0) { /* it has not come to it yet: let it */
        pthread_mutex_unlock(common);
        pthread_join(thread, NULL);
        error = pthread_mutex_lock(common);
    } else {
        pthread_join(thread, NULL);
    }
    printf("the owner, a thread, died: %d, consistent: %d\n", error == EOWNERDEAD,
           pthread_mutex_consistent(common));
    pid_t child = fork();
    if (child == 0)
        _exit(pthread_mutex_lock(common));
    pthread_mutex_unlock(common);
    waitpid(child, &status, 0);
    error = pthread_mutex_lock(common);
    printf("the owner, a process, died: %d, its status %d\n", error == EOWNERDEAD,
           WEXITSTATUS(status));
}

int main(void)
{
    pthread_t thread;

    run_all(count);
    printf("counted %ld, once %d, main's own %ld\n", counter, initialised, own);
    run_all(produce_and_consume);
    wait_with_limit();
    pthread_barrier_init(&barrier, NULL, THREADS);
    run_all(meet);
    run_all(read_and_write);
    sem_init(&semaphore, 0, 2);
    run_all(take_turns);
    signals();
    robust();
    cancellation();
    printf("cleaned %d, destroyed %d\n", cleaned, destroyed);
    fflush(stdout);
    static volatile long rounds;
    start(&thread, compute, (void *)&rounds);
    return 3 - 3;
}
