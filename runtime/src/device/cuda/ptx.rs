//! What can be read from PTX before the driver compiles it: which chip it is for, and what a kernel
//! takes.

use std::borrow::Cow;

/// The text without comments. Within a string, which PTX knows only as names of files, nothing
/// looks like one.
fn without_comments(ptx: &str) -> Cow<'_, str> {
    if !ptx.contains("//") && !ptx.contains("/*") {
        return Cow::Borrowed(ptx);
    }
    let mut out = String::with_capacity(ptx.len());
    let mut rest = ptx;
    while let Some(at) = rest.find('/') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = match rest.as_bytes().get(1) {
            Some(b'/') => rest.find('\n').unwrap_or(rest.len()),
            Some(b'*') => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => {
                out.push('/');
                1
            }
        };
        rest = &rest[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The chip in `.target`: `sm_80`.
pub fn target(ptx: &str) -> Option<&str> {
    let line = ptx
        .lines()
        .find_map(|l| l.trim_start().strip_prefix(".target"))?;
    line.trim_start()
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .next()
        .filter(|chip| !chip.is_empty())
}

/// How many parameters a kernel has, if all are 64-bit and it is there.
pub fn parameters(ptx: &str, entry: &str) -> Option<usize> {
    let ptx = without_comments(ptx);
    let mut rest = &*ptx;
    loop {
        rest = &rest[rest.find(".entry")? + ".entry".len()..];
        let Some(after) = rest.trim_start().strip_prefix(entry) else {
            continue;
        };
        // Another kernel's name may begin alike.
        let after = after.trim_start();
        let Some(list) = after.strip_prefix('(') else {
            match after.starts_with(['{', '.']) {
                true => return Some(0),
                false => continue,
            }
        };
        let list = &list[..list.find(')')?];
        if list.trim().is_empty() {
            return Some(0);
        }
        let wide = list.split(',').all(|parameter| {
            let mut words = parameter.split_whitespace();
            words.next() == Some(".param")
                && matches!(words.next(), Some(".u64" | ".b64" | ".s64"))
                && !parameter.contains('[')
        });
        return wide.then(|| list.split(',').count());
    }
}

/// Why code for this chip does not run on a device of this capability.
///
/// `sm_80` runs on every device from 8.0 on, `sm_90a` on 9.0 alone, `sm_100f` on 10.0 and later
/// ones of its family.
pub fn mismatch(target: &str, capability: (u32, u32)) -> Option<String> {
    let (major, minor) = capability;
    let device = format!("sm_{major}{minor}");
    let number = target.strip_prefix("sm_")?;
    let digits = number.trim_end_matches(['a', 'f']);
    let chip: u32 = digits.parse().ok()?;
    let needed = (chip / 10, chip % 10);
    let runs = match &number[digits.len()..] {
        "" => capability >= needed,
        "a" => capability == needed,
        _ => major == needed.0 && minor >= needed.1,
    };
    (!runs).then(|| format!("the program is for {target}, but the GPU is {device}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = "\
// Generated
.version 7.8
.target sm_80, debug
.address_size 64
/* .entry ghost( .param .u64 a ) */
.visible .entry add_long(.param .u64 p)
{ ret; }
	// .globl	add
.visible .entry add(
	.param .u64 .ptr .global .align 16 add_param_0,
	.param .u64 add_param_1, // the second
	.param .b64 add_param_2
)
.maxntid 256
{
	ret;
}
.visible .entry none()
{ ret; }
.visible .entry bare { ret; }
.visible .entry narrow(.param .u64 a, .param .u32 b) { ret; }
.visible .entry block(.param .align 64 .b8 a[128]) { ret; }
";

    #[test]
    fn parameters_are_counted() {
        assert_eq!(parameters(PTX, "add"), Some(3));
        assert_eq!(parameters(PTX, "add_long"), Some(1));
        assert_eq!(parameters(PTX, "none"), Some(0));
        assert_eq!(parameters(PTX, "bare"), Some(0));
        for other in ["narrow", "block", "ghost", "missing", "ad"] {
            assert_eq!(parameters(PTX, other), None, "{other}");
        }
        assert_eq!(parameters(".entry cut(.param .u64", "cut"), None);
    }

    #[test]
    fn the_target_is_the_chip() {
        assert_eq!(target(PTX), Some("sm_80"));
        assert_eq!(target(".target sm_90a"), Some("sm_90a"));
        assert_eq!(target(".target"), None);
        assert_eq!(target("nothing"), None);
    }

    #[test]
    fn chips_run_what_was_made_for_older_ones() {
        assert_eq!(mismatch("sm_80", (8, 0)), None);
        assert_eq!(mismatch("sm_80", (12, 0)), None);
        assert_eq!(mismatch("sm_90a", (9, 0)), None);
        assert_eq!(mismatch("sm_100f", (10, 3)), None);
        let why = mismatch("sm_90", (8, 9)).unwrap();
        assert_eq!(why, "the program is for sm_90, but the GPU is sm_89");
        assert!(mismatch("sm_90a", (10, 0)).is_some());
        assert!(mismatch("sm_100f", (12, 0)).is_some());
        assert!(mismatch("sm_120", (10, 3)).is_some());
    }
}
