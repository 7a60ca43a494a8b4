/*
 * The calendar: seconds since 1970 to dates, back, and to text. The Gregorian calendar repeats
 * after 400 years; counted from a March 1 the leap day is a year's last, which makes a month's
 * first day a linear formula. UTC is the only time zone.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DAY_SECONDS    86400L
#define ERA_DAYS       146097L /* 400 years */
#define DAYS_TO_1970   719468L /* from March 1 of the year 0 */
#define JANUARY_OFFSET 306     /* days from March 1 to January 1 */

static long floor_divide(long a, long b)
{
    return a / b - (a % b < 0);
}

static bool is_leap_year(long year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days since 1970-01-01 of a date; month 1..12. */
static long days_from_date(long year, int month, long day)
{
    long shifted = year - (month <= 2);
    long era = floor_divide(shifted, 400), year_of_era = shifted - era * 400;
    long day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    long day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - DAYS_TO_1970;
}

struct tm *gmtime_r(const time_t *time, struct tm *result)
{
    long days = floor_divide(*time, DAY_SECONDS), second = *time - days * DAY_SECONDS;
    long shifted = days + DAYS_TO_1970;
    long era = floor_divide(shifted, ERA_DAYS), day = shifted - era * ERA_DAYS;
    long year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
    long day_of_year = day - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * day_of_year + 2) / 153); /* 0 is March */

    year += era * 400 + (month >= 10);
    result->tm_sec = (int)(second % 60);
    result->tm_min = (int)(second / 60 % 60);
    result->tm_hour = (int)(second / 3600);
    result->tm_mday = (int)(day_of_year - (153 * month + 2) / 5) + 1;
    result->tm_mon = month < 10 ? month + 2 : month - 10;
    result->tm_year = (int)(year - 1900);
    result->tm_wday = (int)(days + 4 - floor_divide(days + 4, 7) * 7);
    result->tm_yday = (int)(day_of_year >= JANUARY_OFFSET ? day_of_year - JANUARY_OFFSET
                                                          : day_of_year + 59 + is_leap_year(year));
    result->tm_isdst = 0;
    return result;
}

struct tm *gmtime(const time_t *time)
{
    static struct tm result;
    return gmtime_r(time, &result);
}

struct tm *localtime_r(const time_t *time, struct tm *result)
{
    return gmtime_r(time, result);
}

struct tm *localtime(const time_t *time)
{
    return gmtime(time);
}

/* Fields may be out of their ranges (January 32); they are normalised. */
time_t timegm(struct tm *date)
{
    long months = (long)date->tm_year * 12 + date->tm_mon;
    long year = floor_divide(months, 12);
    int month = (int)(months - year * 12);
    long days = days_from_date(year + 1900, month + 1, 1) + date->tm_mday - 1;
    time_t time = days * DAY_SECONDS + date->tm_hour * 3600L + date->tm_min * 60L + date->tm_sec;

    gmtime_r(&time, date);
    return time;
}

time_t mktime(struct tm *date)
{
    return timegm(date);
}

/* --- Text ----------------------------------------------------------------------------------- */

static const char *const day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December"};

/* What conversion `c` stands for, in `text` of 64 bytes. */
static void format_field(char *text, char c, const struct tm *date)
{
    const char *day = day_names[date->tm_wday], *month = month_names[date->tm_mon];
    int year = date->tm_year + 1900;
    int hour12 = (date->tm_hour + 11) % 12 + 1;
    const char *compound = NULL;

    switch (c) {
    case 'a':
        snprintf(text, 64, "%.3s", day);
        break;
    case 'A':
        snprintf(text, 64, "%s", day);
        break;
    case 'b':
    case 'h':
        snprintf(text, 64, "%.3s", month);
        break;
    case 'B':
        snprintf(text, 64, "%s", month);
        break;
    case 'C':
        snprintf(text, 64, "%02d", year / 100);
        break;
    case 'd':
        snprintf(text, 64, "%02d", date->tm_mday);
        break;
    case 'e':
        snprintf(text, 64, "%2d", date->tm_mday);
        break;
    case 'H':
        snprintf(text, 64, "%02d", date->tm_hour);
        break;
    case 'k':
        snprintf(text, 64, "%2d", date->tm_hour);
        break;
    case 'I':
        snprintf(text, 64, "%02d", hour12);
        break;
    case 'j':
        snprintf(text, 64, "%03d", date->tm_yday + 1);
        break;
    case 'm':
        snprintf(text, 64, "%02d", date->tm_mon + 1);
        break;
    case 'M':
        snprintf(text, 64, "%02d", date->tm_min);
        break;
    case 'p':
        strcpy(text, date->tm_hour < 12 ? "AM" : "PM");
        break;
    case 's': {
        struct tm copy = *date;
        snprintf(text, 64, "%ld", (long)timegm(&copy));
        break;
    }
    case 'S':
        snprintf(text, 64, "%02d", date->tm_sec);
        break;
    case 'u':
        snprintf(text, 64, "%d", date->tm_wday ? date->tm_wday : 7);
        break;
    case 'w':
        snprintf(text, 64, "%d", date->tm_wday);
        break;
    case 'y':
        snprintf(text, 64, "%02d", year % 100);
        break;
    case 'Y':
        snprintf(text, 64, "%d", year);
        break;
    case 'z':
        strcpy(text, "+0000");
        break;
    case 'Z':
        strcpy(text, "UTC");
        break;
    case 'n':
        strcpy(text, "\n");
        break;
    case 't':
        strcpy(text, "\t");
        break;
    case 'c':
        compound = "%a %b %e %H:%M:%S %Y";
        break;
    case 'D':
    case 'x':
        compound = "%m/%d/%y";
        break;
    case 'F':
        compound = "%Y-%m-%d";
        break;
    case 'R':
        compound = "%H:%M";
        break;
    case 'r':
        compound = "%I:%M:%S %p";
        break;
    case 'T':
    case 'X':
        compound = "%H:%M:%S";
        break;
    default:
        text[0] = c;
        text[1] = '\0';
    }
    if (compound)
        strftime(text, 64, compound, date);
}

/* 0 when it does not fit. */
size_t strftime(char *string, size_t size, const char *format, const struct tm *date)
{
    size_t length = 0;

    for (; *format; format++) {
        char field[64] = {*format, '\0'};
        if (*format == '%' && format[1])
            format_field(field, *++format, date);
        size_t field_length = strlen(field);
        if (length + field_length >= size)
            return 0;
        memcpy(string + length, field, field_length);
        length += field_length;
    }
    if (size == 0)
        return 0;
    string[length] = '\0';
    return length;
}
