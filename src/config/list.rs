//! Lists in the configuration.

use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Error, SeqAccess, Visitor};

/// A list, or (from the environment, which knows only texts) its items separated by commas.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + FromStr<Err: Display>,
{
    // By hand, because a derived choice of two would not say which item is wrong, and why.
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + FromStr<Err: Display>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| item.parse().map_err(E::custom))
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut given: A) -> Result<Vec<T>, A::Error> {
            let mut items = vec![];
            while let Some(item) = given.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
    }

    deserializer.deserialize_any(Items(PhantomData))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_wrong_item_of_a_list_is_named() {
        for (text, said) in [
            (
                "[node.proxy]\naddresses = [\"::1\", \"10.0.0.0/33\"]",
                "10.0.0.0/33 is neither",
            ),
            ("[web]\nshared_addresses = \"::1, here\"", "here is neither"),
            ("[aca]\nretry_pauses_s = [1, \"soon\"]", "\"soon\""),
            ("[aca]\nretry_pauses_s = true", "a list"),
        ] {
            let error = Config::with(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
