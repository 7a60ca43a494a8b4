/*
 * qsort and bsearch. The sort is a merge sort: never slower than n log n, and stable, which the
 * standard does not ask for but programs are glad of. It needs an array of the same size; if that
 * cannot be had, it becomes a heap sort, which needs none.
 */
#include <stdlib.h>
#include <string.h>

typedef int compare_fn(const void *, const void *);

/* Sort array[0..count) with `scratch` of the same size. */
static void merge_sort(char *array, size_t count, size_t size, compare_fn *compare, char *scratch)
{
    if (count < 2)
        return;
    size_t half = count / 2;
    char *middle = array + half * size, *end = array + count * size;
    merge_sort(array, half, size, compare, scratch);
    merge_sort(middle, count - half, size, compare, scratch);
    if (compare(middle - size, middle) <= 0)
        return;

    /* The lower half moves away, and both are merged into the array. */
    memcpy(scratch, array, half * size);
    char *low = scratch, *low_end = scratch + half * size, *high = middle, *to = array;
    while (low < low_end) {
        char **from = high < end && compare(low, high) > 0 ? &high : &low;
        memcpy(to, *from, size);
        *from += size;
        to += size;
    }
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static void sift_down(char *array, size_t root, size_t count, size_t size, compare_fn *compare)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(array + child * size, array + (child + 1) * size) < 0)
            child++;
        if (compare(array + root * size, array + child * size) >= 0)
            return;
        swap(array + root * size, array + child * size, size);
    }
}

static void heap_sort(char *array, size_t count, size_t size, compare_fn *compare)
{
    for (size_t root = count / 2; root-- > 0;)
        sift_down(array, root, count, size, compare);
    for (size_t last = count; last-- > 1;) {
        swap(array, array + last * size, size);
        sift_down(array, 0, last, size, compare);
    }
}

void qsort(void *array, size_t count, size_t size, compare_fn *compare)
{
    if (count < 2)
        return;
    char *scratch = reallocarray(NULL, count / 2, size);
    if (scratch)
        merge_sort(array, count, size, compare, scratch);
    else
        heap_sort(array, count, size, compare);
    free(scratch);
}

void *bsearch(const void *key, const void *array, size_t count, size_t size, compare_fn *compare)
{
    const char *base = array;

    while (count > 0) {
        const char *middle = base + count / 2 * size;
        int order = compare(key, middle);
        if (order == 0)
            return (void *)middle;
        if (order > 0) {
            base = middle + size;
            count--;
        }
        count /= 2;
    }
    return NULL;
}

/* Numerical Recipes' linear congruential generator, upper bits: for tests, not for secrets. */
static unsigned long random_state = 1;

void srand(unsigned seed)
{
    random_state = seed;
}

int rand(void)
{
    random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
    return (int)(random_state >> 33);
}
