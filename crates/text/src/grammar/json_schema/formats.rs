//! Formats as patterns. Each is a subset of what its RFC allows on which validators agree: whatever matches is valid for
//! all of them. A format that nobody knows is refused, because passing over it would promise what is not checked.

use serde_json::Value;

/// What a format asks.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Format {
    /// A pattern in Rust's syntax, anchored.
    Pattern(String),
    /// Whole numbers between two bounds.
    Integer(f64, f64),
    /// Nothing that could be checked.
    Anything,
}

const MONTH_DAY: &str =
    "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8])";
/// Without the year 0, which Python does not have.
const YEAR: &str = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
const LEAP_YEAR: &str = "[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00";
/// Without leap seconds, which are valid at one minute of the day only.
const TIME: &str =
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
/// At most four of them, so that no host name is too long.
const LABEL: &str = "[a-zA-Z0-9]{1,30}(?:-[a-zA-Z0-9]{1,30})?";
const OCTET: &str = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const PATH_CHARACTER: &str = "(?:[a-zA-Z0-9._~!$&()*+,;=:@-]|%[0-9a-fA-F]{2})";
/// Of an address, behind its path.
const TAIL: &str = r"(?:\?(?:[a-zA-Z0-9._~!$&()*+,;=:@/?-]|%[0-9a-fA-F]{2})*)?(?:\#(?:[a-zA-Z0-9._~!$&()*+,;=:@/?-]|%[0-9a-fA-F]{2})*)?";

/// What `name` asks; `None` if it is not known.
pub(super) fn lookup(name: &str) -> Option<Format> {
    let date = format!("(?:{YEAR}-(?:{MONTH_DAY})|(?:{LEAP_YEAR})-02-29)");
    let host = format!(r"{LABEL}(?:\.{LABEL}){{0,3}}");
    let pattern = match name {
        "date" => date,
        "time" | "iso-time" => TIME.to_owned(),
        "date-time" | "iso-date-time" => format!("{date}T{TIME}"),
        "duration" => {
            // As many digits as Python counts for each of them.
            let n = "[0-9]{1,6}";
            let time = format!("T(?:{n}H(?:{n}M(?:{n}S)?)?|{n}M(?:{n}S)?|{n}S)");
            let date = format!("(?:{n}Y(?:{n}M(?:{n}D)?)?|{n}M(?:{n}D)?|{n}D)");
            format!("P(?:{date}(?:{time})?|{time}|{n}W)")
        }
        "email" | "idn-email" => {
            let atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}";
            // Many refuse a last label that is not of letters.
            format!(r"{atom}(?:\.{atom}){{0,2}}@(?:{LABEL}\.){{1,3}}[a-zA-Z]{{2,20}}")
        }
        "hostname" | "idn-hostname" => host,
        "ipv4" => format!(r"(?:{OCTET}\.){{3}}{OCTET}"),
        "ipv6" => ipv6(),
        "uri" | "iri" => uri(&host),
        // To ajv a page: of the web, at a name with a last label of letters.
        "url" => {
            let host = format!(r"(?:{LABEL}\.){{1,3}}[a-zA-Z]{{2,20}}");
            format!(
                "(?:https?|ftp)://{host}(?::(?:[1-9][0-9]{{1,3}}|[1-5][0-9]{{4}}))?(?:(?:/{PATH_CHARACTER}*)+{TAIL})?"
            )
        }
        "uri-reference" | "iri-reference" => {
            let segment = format!("{PATH_CHARACTER}*");
            format!("(?:{}|/(?:{PATH_CHARACTER}{segment}(?:/{segment})*)?|[a-zA-Z0-9._~-]+(?:/{segment})*)", uri(&host))
        }
        "uri-template" => r"(?:[a-zA-Z0-9/._~-]|\{[a-zA-Z][a-zA-Z0-9_]*\})*".to_owned(),
        "uuid" => "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}".to_owned(),
        "json-pointer" => r"(?:/(?:[ -.0-}]|~[01])*)*".to_owned(),
        "relative-json-pointer" => r"(?:0|[1-9][0-9]{0,8})(?:#|(?:/(?:[ -.0-}]|~[01])*)*)".to_owned(),
        "byte" | "base64" => "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?".to_owned(),
        // Whole groups, so that it is the same with padding and without.
        "base64url" => "(?:[A-Za-z0-9_-]{4})*".to_owned(),
        // Every engine reads these: letters, digits, classes of them and repetitions.
        "regex" => r"\^?(?:(?:[A-Za-z0-9 _]|\\[dDwWsS.]|\.|\[[A-Za-z0-9]+\])[*+?]?)*\$?".to_owned(),
        // What Python's libraries call addresses.
        "ipvanyaddress" => format!(r"(?:(?:{OCTET}\.){{3}}{OCTET}|{})", ipv6()),
        "ipv4interface" | "ipvanyinterface" | "cidrv4" => format!(r"(?:{OCTET}\.){{3}}{OCTET}/(?:[12]?[0-9]|3[0-2])"),
        "ipv6interface" | "cidrv6" => format!("{}/(?:[1-9]?[0-9]|1[01][0-9]|12[0-8])", ipv6()),
        // No bit of the host may be set.
        "ipv4network" | "ipvanynetwork" => format!(r"(?:(?:{OCTET}\.){{3}}{OCTET}/32|(?:{OCTET}\.){{3}}0/24)"),
        "ipv6network" => format!("{}/128", ipv6()),
        "multi-host-uri" => uri(&host),
        "uuid1" | "uuid3" | "uuid4" | "uuid5" | "uuid6" | "uuid7" | "uuid8" => {
            let version = &name[4..];
            format!("[0-9a-f]{{8}}-[0-9a-f]{{4}}-{version}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}")
        }
        "json-pointer-uri-fragment" => r"\#(?:/[a-zA-Z0-9._-]*)*".to_owned(),
        "int8" => return Some(Format::Integer(-128.0, 127.0)),
        "int16" => return Some(Format::Integer(-32_768.0, 32_767.0)),
        "uint8" => return Some(Format::Integer(0.0, 255.0)),
        "uint16" => return Some(Format::Integer(0.0, 65_535.0)),
        "uint32" => return Some(Format::Integer(0.0, 4_294_967_295.0)),
        "int32" => return Some(Format::Integer(-2_147_483_648.0, 2_147_483_647.0)),
        "int64" => return Some(Format::Integer(f64::NEG_INFINITY, f64::INFINITY)),
        "float" | "double" | "password" | "binary" | "path" | "file-path" | "directory-path" => {
            return Some(Format::Anything);
        }
        // How a text is marked up, which no text breaks.
        "commonmark" | "markdown" | "html" | "textarea" => return Some(Format::Anything),
        _ => return None,
    };
    Some(Format::Pattern(format!("^(?:{pattern})$")))
}

/// Whether [`lookup`] finds the format, or whatever it is instead of a name.
pub(super) fn is_known(format: &Value) -> bool {
    format.as_str().is_none_or(|name| lookup(name).is_some())
}

/// Patterns that libraries write beside a format, that cannot be kept or are costly, and that whatever has the format
/// matches: zod's, for a duration and a host name.
const IMPLIED: [(&str, &str); 2] = [
    ("duration", r"^P(?:(\d+W)|(?!.*W)(?=\d|T\d)(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d+)?S)?)?)$"),
    (
        "hostname",
        r"^(?=.{1,253}\.?$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-0-9a-zA-Z]{0,61}[0-9a-zA-Z])?)*\.?$",
    ),
];

/// Whether whatever has the format matches the pattern.
pub(super) fn imply(format: Option<&Value>, pattern: &str) -> bool {
    let name = format.and_then(Value::as_str);
    IMPLIED.iter().any(|(format, implied)| name == Some(*format) && pattern == *implied)
}

fn ipv6() -> String {
    let group = "[0-9a-fA-F]{1,4}";
    let mut forms = vec![format!("(?:{group}:){{7}}{group}"), format!("(?:{group}:){{1,7}}:"), "::".to_owned()];
    for left in 1..=6 {
        forms.push(format!("(?:{group}:){{1,{left}}}(?::{group}){{1,{}}}", 7 - left));
    }
    forms.push(format!(":(?::{group}){{1,7}}"));
    format!("(?:{})", forms.join("|"))
}

fn uri(host: &str) -> String {
    let scheme = r"[a-zA-Z][a-zA-Z0-9+.-]*";
    let path = format!("(?:/{PATH_CHARACTER}*)*");
    let hierarchical = format!("//{host}(?::(?:[1-9][0-9]{{0,3}}|[1-5][0-9]{{4}}))?{path}");
    format!("{scheme}:(?:{hierarchical}|{PATH_CHARACTER}+{path}){TAIL}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_are_read() {
        for name in "date time date-time duration email hostname ipv4 ipv6 uri url uri-reference uri-template uuid json-pointer relative-json-pointer byte base64url regex ipvanyaddress ipv4interface ipv6interface ipv4network ipv6network uuid4 uuid7 json-pointer-uri-fragment".split(' ') {
            match lookup(name) {
                Some(Format::Pattern(pattern)) => {
                    regex_syntax::parse(&pattern).expect(name);
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(lookup("colour"), None);
    }
}
