//! The section of the pages for parents: `[pay]`.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Config, ConfigError, Mistake, needed};

/// Section `[pay]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pay {
    /// Whether there are pages for parents.
    pub enabled: bool,
    /// The key that signs their links.
    pub link_key: SecretString,
    /// File with that key.
    pub link_key_file: PathBuf,
    /// Days after the due day for which a notice's link works.
    pub link_days: i32,
    /// Hours for which a link to choose a top-up works.
    pub top_up_hours: i64,
}

impl Pay {
    /// Characters of a key, at least.
    const KEY: usize = 32;
}

impl Config {
    /// The key of the links, from its file when one is named; nothing when there are no pages.
    ///
    /// # Errors
    /// The file cannot be read, or there are pages and no key, or a short one.
    pub fn link_key(&self) -> Result<Option<SecretString>, ConfigError> {
        let pay = &self.pay;
        if !pay.enabled {
            return Ok(None);
        }
        let key = needed(true, "pay.link_key_file", &pay.link_key_file, &pay.link_key)?;
        if key.expose_secret().len() < Pay::KEY {
            return Err(ConfigError::Mistakes(vec![Mistake {
                key: "pay.link_key".to_owned(),
                message: format!("must have at least {} characters", Pay::KEY),
            }]));
        }
        Ok(Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_need_a_long_key() {
        let key = |text: &str| Config::with(text).unwrap().link_key();
        assert!(key("").unwrap().is_none());
        assert!(key("[pay]\nenabled = true").is_err());
        assert!(key("[pay]\nenabled = true\nlink_key = \"short\"").is_err());
        let long = format!("[pay]\nenabled = true\nlink_key = \"{}\"", "k".repeat(32));
        assert!(key(&long).unwrap().is_some());
    }
}
