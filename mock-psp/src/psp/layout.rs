//! A message laid out for people: one element per line.
//!
//! Only for the counter's page. What is judged, and what `/psp/pay` gives back, is the text as it
//! came.

use quick_xml::Reader;
use quick_xml::events::Event;

/// The document with a line for each element, or the text as it is where it has lines already or is
/// no XML.
pub(super) fn laid_out(text: &str) -> String {
    // A declaration on a line of its own is not a layout yet.
    if text.trim().lines().count() > 2 {
        return text.to_owned();
    }
    indented(text).unwrap_or_else(|| text.to_owned())
}

fn indented(text: &str) -> Option<String> {
    let text = text.trim();
    let mut reader = Reader::from_str(text);
    let (mut out, mut depth, mut from, mut is_inside_leaf) = (String::new(), 0, 0, false);
    loop {
        let event = reader.read_event().ok()?;
        let to = usize::try_from(reader.buffer_position()).ok()?;
        let raw = text.get(from..to)?;
        from = to;
        match event {
            Event::Eof => return Some(out),
            Event::Start(_) => {
                new_line(&mut out, depth);
                depth += 1;
                is_inside_leaf = true;
            }
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                if !is_inside_leaf {
                    new_line(&mut out, depth);
                }
                is_inside_leaf = false;
            }
            Event::Text(_) if !is_inside_leaf && raw.trim().is_empty() => continue,
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {}
            Event::Empty(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {
                new_line(&mut out, depth);
                is_inside_leaf = false;
            }
        }
        out.push_str(raw);
    }
}

fn new_line(out: &mut String, depth: usize) {
    if !out.is_empty() {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_on_one_line_gets_a_line_for_each_element() {
        let flat = "<?xml version=\"1.0\"?><s:a xmlns:s=\"urn:x\"><b>1 &lt; 2 &#xe8;</b><c/></s:a>";
        let lines = "<?xml version=\"1.0\"?>\n<s:a xmlns:s=\"urn:x\">\n  \
                     <b>1 &lt; 2 &#xe8;</b>\n  <c/>\n</s:a>";
        assert_eq!(laid_out(flat), lines);
        assert_eq!(laid_out(&flat.replacen("?>", "?>\n", 1)), lines);
    }

    #[test]
    fn what_has_lines_or_is_no_xml_stays_as_it_is() {
        for text in [
            "",
            "503 Service Unavailable",
            "<a>\n <b/>\n</a>",
            "<a><b></a>",
            "<a",
        ] {
            assert_eq!(laid_out(text), text);
        }
    }
}
