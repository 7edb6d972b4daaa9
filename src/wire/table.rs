//! Tables as spreadsheets save them: a text of rows, in one of several encodings, with one of several
//! separators. What the columns mean is not known here.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// A table with a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows below it; empty ones are left out.
    pub rows: Vec<Line>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The line of the file on which it begins, from 1.
    pub line: u64,
    /// Its values; as many as there are, which may be fewer or more than the head has.
    pub values: Vec<String>,
}

/// Separators that programs write: Italian spreadsheets, others, and what is pasted.
const SEPARATORS: [char; 3] = [';', ',', '\t'];

/// Reads a table. UTF-8 with or without its mark, UTF-16 with it, and else Windows-1252, as older
/// spreadsheets save; the separator is the one that stands most often in the head, outside quotes.
///
/// Nothing when the file is empty.
///
/// ```
/// let table = pagomensa::wire::table::read(b"\xEF\xBB\xBFa;b\n1;\"x;y\"\n").unwrap();
/// assert_eq!(table.head, ["a", "b"]);
/// assert_eq!(table.rows[0].values, ["1", "x;y"]);
/// ```
pub fn read(bytes: &[u8]) -> Option<Table> {
    let text = decode(bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator(&text))
        .from_reader(text.as_bytes());
    let mut lines = vec![];
    // Counted here: the reader says where a record begins before it skips empty lines.
    let (mut counted, mut number) = (0_usize, 1_u64);
    for record in reader.records() {
        // A text that was decoded is UTF-8, and rows may have any length: nothing is left to fail.
        let record = record.ok()?;
        let values: Vec<String> = record.iter().map(|value| value.trim().to_owned()).collect();
        if values.iter().any(|value| !value.is_empty()) {
            let begins = record.position().map_or(0, csv::Position::byte);
            let begins = usize::try_from(begins).ok()?;
            let rest = text.get(begins..).unwrap_or_default();
            let empty = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
            let passed = text.get(counted..begins + empty).unwrap_or_default();
            number += u64::try_from(passed.matches('\n').count()).unwrap_or(0);
            counted = begins + empty;
            lines.push(Line {
                line: number,
                values,
            });
        }
    }
    if lines.is_empty() {
        return None;
    }
    let head = lines.remove(0).values;
    Some(Table { head, rows: lines })
}

/// The text of a file. Windows-1252 has a letter for every byte, so it comes last.
fn decode(bytes: &[u8]) -> String {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if std::str::from_utf8(bytes).is_ok() => UTF_8,
        None => WINDOWS_1252,
    };
    let (text, _, _) = encoding.decode(bytes);
    text.into_owned()
}

fn separator(text: &str) -> u8 {
    let head = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    for letter in head.chars() {
        if letter == '"' {
            is_quoted = !is_quoted;
        } else if !is_quoted {
            for (count, separator) in counts.iter_mut().zip(SEPARATORS) {
                *count += usize::from(letter == separator);
            }
        }
    }
    // Of several that stand there as often, the first.
    let best = counts
        .iter()
        .zip(b";,\t")
        .rev()
        .max_by_key(|(count, _)| **count);
    best.map_or(b';', |(_, separator)| *separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_spreadsheets_save_is_read() {
        let expected = [vec!["nome", "città"], vec!["Niccolò", "Forlì"]];
        let semicolons = "nome;città\r\nNiccolò;Forlì\r\n";
        let (latin, _, _) = WINDOWS_1252.encode(semicolons);
        let utf16: Vec<u8> = [0xFF, 0xFE]
            .into_iter()
            .chain(semicolons.encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        for bytes in [
            semicolons.as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", semicolons.as_bytes()].concat(),
            latin.into_owned(),
            utf16,
            b"nome,citt\xC3\xA0\nNiccol\xC3\xB2,\"Forl\xC3\xAC\"".to_vec(),
            b"\nnome\tcitt\xC3\xA0\n\n Niccol\xC3\xB2 \tForl\xC3\xAC\n\t\n".to_vec(),
        ] {
            let table = read(&bytes).unwrap();
            assert_eq!(table.head, expected[0]);
            assert_eq!(table.rows.len(), 1);
            assert_eq!(table.rows[0].values, expected[1]);
        }
        assert_eq!(read(b"\r\n \n"), None);
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        let table = read(b"a;b\n1;\"x\ny\"\n\n2;z\n").unwrap();
        let lines: Vec<u64> = table.rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 5]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
