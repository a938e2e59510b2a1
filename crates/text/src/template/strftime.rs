//! `strftime` for a time that the caller gives; English names, as in the C locale.

use std::fmt::Write;

use crate::chat_template::Timestamp;

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

struct Civil {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: i64,
    weekday: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// Gregorian date of a day count, after <https://howardhinnant.github.io/date_algorithms.html>.
    fn of(time: Timestamp) -> Self {
        let seconds = time.unix_seconds.saturating_add(i64::from(time.utc_offset_minutes) * 60);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_from_march + 2) / 153;
        let day = day_from_march - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334][(month - 1) as usize];
        Self {
            year,
            month,
            day,
            day_of_year: before + day + i64::from(leap && month > 2),
            weekday: (days + 4).rem_euclid(7),
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

/// Writes `time` as `format` says: the directives of C, and glibc's `%-d` without padding. Others stay as they are.
pub(crate) fn strftime(time: Timestamp, format: &str) -> String {
    let civil = Civil::of(time);
    let mut out = String::new();
    let mut rest = format.chars();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut ahead = rest.clone();
        let first = ahead.next();
        let (padded, directive) = if first == Some('-') { (false, ahead.next()) } else { (true, first) };
        match directive.filter(|&directive| write_directive(&civil, time, directive, padded, &mut out)) {
            Some(_) => rest = ahead,
            None => out.push('%'),
        }
    }
    out
}

fn write_directive(civil: &Civil, time: Timestamp, directive: char, padded: bool, out: &mut String) -> bool {
    let day_name = DAYS[civil.weekday as usize];
    let month_name = MONTHS[(civil.month - 1) as usize];
    let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    let mut number = |value: i64, width: usize| {
        let width = if padded { width } else { 0 };
        let _ = write!(out, "{value:0width$}");
        true
    };
    match directive {
        'Y' => return number(civil.year, 4),
        'm' => return number(civil.month, 2),
        'd' => return number(civil.day, 2),
        'H' => return number(civil.hour, 2),
        'I' => return number(hour12, 2),
        'M' => return number(civil.minute, 2),
        'S' => return number(civil.second, 2),
        'f' => return number(0, 6),
        'j' => return number(civil.day_of_year, 3),
        'y' => return number(civil.year.rem_euclid(100), 2),
        'C' => return number(civil.year.div_euclid(100), 2),
        'w' => return number(civil.weekday, 0),
        'u' => return number((civil.weekday + 6) % 7 + 1, 0),
        'U' => return number((civil.day_of_year + 6 - civil.weekday) / 7, 2),
        'W' => return number((civil.day_of_year + 6 - (civil.weekday + 6) % 7) / 7, 2),
        's' => return number(time.unix_seconds, 0),
        _ => {}
    }
    match directive {
        'e' => out.push_str(&format!("{:2}", civil.day)),
        'B' => out.push_str(month_name),
        'b' | 'h' => out.push_str(&month_name[..3]),
        'A' => out.push_str(day_name),
        'a' => out.push_str(&day_name[..3]),
        'p' => out.push_str(if civil.hour < 12 { "AM" } else { "PM" }),
        'Z' => {}
        'z' => {}
        'n' => out.push('\n'),
        't' => out.push('\t'),
        '%' => out.push('%'),
        'F' => out.push_str(&strftime(time, "%Y-%m-%d")),
        'T' | 'X' => out.push_str(&strftime(time, "%H:%M:%S")),
        'R' => out.push_str(&strftime(time, "%H:%M")),
        'D' | 'x' => out.push_str(&strftime(time, "%m/%d/%y")),
        'r' => out.push_str(&strftime(time, "%I:%M:%S %p")),
        'c' => out.push_str(&strftime(time, "%a %b %e %H:%M:%S %Y")),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_dates() {
        // 2024-07-26 09:05:07 UTC, a Friday, and the last second of 1969.
        let time = Timestamp { unix_seconds: 1_721_984_707, utc_offset_minutes: 0 };
        let before = Timestamp { unix_seconds: -1, utc_offset_minutes: 0 };
        let east = Timestamp { utc_offset_minutes: 15 * 60, ..time };
        let rows = [
            (time, "%d %b %Y", "26 Jul 2024"),
            (time, "%Y-%m-%d %H:%M:%S", "2024-07-26 09:05:07"),
            (time, "%A, %B %-d, %Y %I:%M %p", "Friday, July 26, 2024 09:05 AM"),
            (time, "%j %y %a %e %%", "208 24 Fri 26 %"),
            (time, "100% %Q", "100% %Q"),
            (before, "%Y-%m-%d %T %a", "1969-12-31 23:59:59 Wed"),
            (east, "%F %R", "2024-07-27 00:05"),
        ];
        for (time, format, expected) in rows {
            assert_eq!(strftime(time, format), expected, "{format}");
        }
    }
}
