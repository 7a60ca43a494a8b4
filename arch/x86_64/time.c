/*
 * Time: the clock, each CPU's timer, and the date.
 *
 * The clock is the time-stamp counter where it runs at one rate for ever ("invariant", SDM vol.
 * 3B, section 17.17.1; a hypervisor's does), else the HPET. The timer is the local APIC's: at a
 * deadline of the TSC, or counting down. Neither rate is known, so both are measured at start
 * against a counter whose rate is: the HPET or ACPI's power management timer. A host may stop
 * a virtual machine at any instruction, so each sample is the narrowest of several.
 */
#include "arch/x86_64/time.h"

#include "arch/x86_64/acpi.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/memory.h"
#include "arch/x86_64/x86.h"
#include "kern/cpu.h"
#include "kern/machine.h"
#include "kern/print.h"

#define CALIBRATION_TIME (2 * (uint64_t)NSEC_PER_MSEC)
#define SAMPLES          4

/* CPUID feature bits, SDM vol. 2A, CPUID. */
#define CPUID_1_ECX_TSC_DEADLINE (1U << 24)
#define CPUID_1_ECX_HYPERVISOR   (1U << 31)
#define CPUID_INVARIANT_TSC      (1U << 8) /* leaf 0x80000007, edx */

/* HPET: IA-PC HPET specification 1.0a, section 2.3. */
#define HPET_PERIOD       0x004 /* femtoseconds a tick */
#define HPET_CONFIG       0x010
#define HPET_COUNTER      0x0f0
#define HPET_CONFIG_ON    1
#define FEMTOSEC_PER_NSEC 1000000

#define PM_TIMER_HZ   3579545 /* ACPI 6.4, section 4.8.3.3 */
#define PM_TIMER_MASK 0xffffff

/* A counter's rate, in both directions, in units of 2^-32. */
struct rate {
    uint64_t nsec_per_tick, ticks_per_nsec;
};

/* All immutable after start. */
static volatile uint32_t *hpet; /* NULL: there is none */
static struct rate reference_rate, tsc_rate, timer_rate;
static bool clock_is_tsc, timer_is_deadline;
static uint64_t clock_start; /* the clock's counter at boot */
static nsec_t boot_time;

static struct rate make_rate(uint64_t ticks, uint64_t nsec)
{
    return (struct rate){(nsec << 32) / ticks, (ticks << 32) / nsec};
}

static uint64_t scale(uint64_t value, uint64_t factor)
{
    return (uint64_t)((unsigned __int128)value * factor >> 32);
}

/* The HPET takes accesses of 32 bits only on some machines. */
static uint64_t hpet_read(void)
{
    uint32_t high, low;

    do {
        high = hpet[HPET_COUNTER / 4 + 1];
        low = hpet[HPET_COUNTER / 4];
    } while (hpet[HPET_COUNTER / 4 + 1] != high);
    return (uint64_t)high << 32 | low;
}

static uint64_t clock_read(void)
{
    return clock_is_tsc ? read_tsc() : hpet_read();
}

nsec_t machine_clock(void)
{
    const struct rate *rate = clock_is_tsc ? &tsc_rate : &reference_rate;

    return (nsec_t)scale(clock_read() - clock_start, rate->nsec_per_tick);
}

nsec_t machine_boot_time(void)
{
    return boot_time;
}

/* --- Measuring ----------------------------------------------------------------------------- */

static void reference_init(void)
{
    if (acpi.hpet != 0) {
        hpet = device_map(acpi.hpet, PAGE_SIZE);
        hpet[HPET_CONFIG / 4] |= HPET_CONFIG_ON;
        reference_rate = make_rate(FEMTOSEC_PER_NSEC, hpet[HPET_PERIOD / 4]);
    } else if (acpi.pm_timer != 0) {
        reference_rate = make_rate(PM_TIMER_HZ, NSEC_PER_SEC);
    } else {
        panic("no clock of known rate: neither HPET nor ACPI timer");
    }
}

static uint64_t reference_read(void)
{
    return hpet != NULL ? hpet[HPET_COUNTER / 4] : inl(acpi.pm_timer);
}

/* Ticks of the reference between two readings of it, around the end of its bits. */
static uint64_t reference_ticks(uint64_t from, uint64_t to)
{
    return (to - from) & (hpet != NULL ? UINT32_MAX : PM_TIMER_MASK);
}

/* All counters at one moment. */
struct sample {
    uint64_t reference, tsc;
    uint32_t timer;
};

static struct sample take_sample(void)
{
    struct sample best = {0};
    uint64_t best_width = UINT64_MAX;

    for (int i = 0; i < SAMPLES; i++) {
        struct sample sample;
        uint64_t width;

        sample.tsc = read_tsc();
        sample.reference = reference_read();
        sample.timer = apic_timer_left();
        width = read_tsc() - sample.tsc;
        if (width < best_width) {
            best_width = width;
            best = sample;
        }
    }
    return best;
}

static void calibrate(void)
{
    struct sample start, end;
    uint64_t span;

    apic_timer_count(UINT32_MAX);
    start = take_sample();
    do {
        end = take_sample();
        span = scale(reference_ticks(start.reference, end.reference), reference_rate.nsec_per_tick);
    } while (span < CALIBRATION_TIME);
    apic_timer_count(0);
    tsc_rate = make_rate(end.tsc - start.tsc, span);
    timer_rate = make_rate(start.timer - end.timer, span);
}

/* --- The date: MC146818 data sheet --------------------------------------------------------- */

enum {
    RTC_SECOND = 0,
    RTC_MINUTE = 2,
    RTC_HOUR = 4,
    RTC_DAY = 7,
    RTC_MONTH = 8,
    RTC_YEAR = 9,
    RTC_STATUS_A = 10,
    RTC_STATUS_B = 11,
};

#define RTC_UPDATING 0x80 /* status A */
#define RTC_BINARY   0x04 /* status B */
#define RTC_24_HOURS 0x02
#define RTC_PM       0x80 /* in the hour */

static uint8_t rtc_read(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static unsigned rtc_number(uint8_t value)
{
    if (rtc_read(RTC_STATUS_B) & RTC_BINARY)
        return value;
    return (value >> 4) * 10u + (value & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so
 * that the leap day is the last one. */
static int64_t days_since_1970(int year, int month, int day)
{
    int64_t years = year - (month <= 2);
    int64_t months = (month + 9) % 12;

    return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 -
           719468;
}

/* Seconds since 1970, once: the hardware may be just between two. */
static int64_t rtc_seconds_unstable(void)
{
    uint8_t hour = rtc_read(RTC_HOUR);
    unsigned hours = rtc_number(hour & (uint8_t)~RTC_PM);
    int64_t days =
        days_since_1970(2000 + (int)rtc_number(rtc_read(RTC_YEAR)),
                        (int)rtc_number(rtc_read(RTC_MONTH)), (int)rtc_number(rtc_read(RTC_DAY)));

    if ((rtc_read(RTC_STATUS_B) & RTC_24_HOURS) == 0)
        hours = hours % 12 + (hour & RTC_PM ? 12 : 0);
    return ((days * 24 + hours) * 60 + rtc_number(rtc_read(RTC_MINUTE))) * 60 +
           rtc_number(rtc_read(RTC_SECOND));
}

static int64_t rtc_seconds(void)
{
    int64_t first, second;

    do {
        while (rtc_read(RTC_STATUS_A) & RTC_UPDATING)
            cpu_relax();
        first = rtc_seconds_unstable();
        second = rtc_seconds_unstable();
    } while (first != second);
    return first;
}

void time_init(void)
{
    uint32_t features = cpuid(1).ecx;

    reference_init();
    clock_is_tsc = (cpuid(0x80000007).edx & CPUID_INVARIANT_TSC) ||
                   (features & CPUID_1_ECX_HYPERVISOR) || hpet == NULL;
    timer_is_deadline = clock_is_tsc && (features & CPUID_1_ECX_TSC_DEADLINE);
    clock_start = clock_read();
    calibrate();
    boot_time = rtc_seconds() * NSEC_PER_SEC - machine_clock();
    time_init_cpu();
}

/* --- The timer ----------------------------------------------------------------------------- */

void time_init_cpu(void)
{
    apic_timer_mode(timer_is_deadline);
    cpu_self()->machine.deadline = NSEC_NEVER;
}

/* Program the hardware; the counting timer ends early where its 32 bits do not suffice. */
static void timer_program(nsec_t deadline)
{
    uint64_t span = (uint64_t)max(deadline - machine_clock(), 0L);

    if (timer_is_deadline && deadline == NSEC_NEVER)
        wrmsr(MSR_TSC_DEADLINE, 0);
    else if (timer_is_deadline)
        wrmsr(MSR_TSC_DEADLINE, read_tsc() + scale(span, tsc_rate.ticks_per_nsec) + 1);
    else if (deadline == NSEC_NEVER)
        apic_timer_count(0);
    else
        apic_timer_count(
            (uint32_t)min(scale(span, timer_rate.ticks_per_nsec) + 1, (uint64_t)UINT32_MAX));
}

void machine_timer_set(nsec_t deadline)
{
    cpu_self()->machine.deadline = deadline;
    timer_program(deadline);
}

void time_interrupt(void)
{
    nsec_t *deadline = &cpu_self()->machine.deadline;

    if (machine_clock() < *deadline) {
        timer_program(*deadline);
        return;
    }
    *deadline = NSEC_NEVER;
    timer_interrupt();
}
