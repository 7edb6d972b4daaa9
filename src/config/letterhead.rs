//! The sections `[creditors.letterhead]`: what a creditor's printed notices show.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::creditors::{CreditorConfig, Review};
use crate::domain::iban::Iban;
use crate::domain::print::{Letterhead, Logo, LogoFormat, PostalSlip};

/// Largest file of a logo: it stands in every notice.
const MOST_BYTES: u64 = 512 * 1024;
/// Most pixels on a side: 30 mm at 1,200 dots to the inch, and no more memory than that takes.
const MOST_PIXELS: u16 = 1_500;

/// `[creditors.letterhead]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LetterheadConfig {
    /// A file with the logo, PNG or JPEG.
    pub logo: Option<PathBuf>,
    /// 1–100 characters.
    pub contacts: Option<String>,
    /// Whether notices can be paid on the creditor's site.
    pub pays_online: bool,
    /// Five capitals or digits.
    pub cbill: Option<String>,
    /// In whose name the postal account stands, 1–50 characters; the creditor's name when absent.
    pub postal_holder: Option<String>,
    /// Poste Italiane's authorisation to print slips, 1–60 characters.
    pub postal_authorisation: Option<String>,
}

/// What a creditor prints; every mistake is written down in the review.
pub(super) fn letterhead(
    section: &CreditorConfig,
    postal: Option<&Iban>,
    key: &str,
    review: &mut Review,
) -> Letterhead {
    let key = format!("{key}.letterhead");
    let own = &section.letterhead;
    if let Some(contacts) = &own.contacts {
        review.text(&format!("{key}.contacts"), contacts, 100);
    }
    if let Some(cbill) = &own.cbill {
        let is_code = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if cbill.len() != 5 || !cbill.bytes().all(is_code) {
            review.wrong(
                &format!("{key}.cbill"),
                "must have five capitals or digits, such as A1B2C",
            );
        }
    }
    let logo = own.logo.as_deref().and_then(|file| {
        let read = read(file);
        review.take(&format!("{key}.logo"), read)
    });
    Letterhead {
        logo: logo.map(Arc::new),
        contacts: own.contacts.clone(),
        pays_online: own.pays_online,
        cbill: own.cbill.clone(),
        postal: slip(section, postal, &key, review),
    }
}

fn slip(
    section: &CreditorConfig,
    postal: Option<&Iban>,
    key: &str,
    review: &mut Review,
) -> Option<PostalSlip> {
    let own = &section.letterhead;
    let Some(authorisation) = &own.postal_authorisation else {
        if own.postal_holder.is_some() {
            review.wrong(
                &format!("{key}.postal_holder"),
                "says nothing without postal_authorisation",
            );
        }
        return None;
    };
    review.text(&format!("{key}.postal_authorisation"), authorisation, 60);
    if let Some(holder) = &own.postal_holder {
        review.text(&format!("{key}.postal_holder"), holder, 50);
    }
    let Some(account) = postal.and_then(Iban::postal_account) else {
        review.wrong(
            &format!("{key}.postal_authorisation"),
            "needs postal_iban: a slip pays into that account",
        );
        return None;
    };
    let holder = own.postal_holder.as_ref().unwrap_or(&section.name);
    Some(PostalSlip {
        account: account.to_owned(),
        holder: holder.clone(),
        authorisation: authorisation.clone(),
    })
}

/// Why a file is no logo.
#[derive(Debug, thiserror::Error)]
enum LogoError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("is larger than {} KiB", MOST_BYTES / 1024)]
    TooLarge,
    #[error("is neither PNG nor JPEG")]
    OtherFormat,
    #[error("must have 1 to {MOST_PIXELS} pixels on a side")]
    Pixels,
}

fn read(file: &Path) -> Result<Logo, LogoError> {
    let mut bytes = vec![];
    // One byte more than may be: a file of any size is not read further.
    std::fs::File::open(file)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    logo(bytes)
}

fn logo(bytes: Vec<u8>) -> Result<Logo, LogoError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(LogoError::TooLarge);
    }
    let format = match imagesize::image_type(&bytes) {
        Ok(imagesize::ImageType::Png) => LogoFormat::Png,
        Ok(imagesize::ImageType::Jpeg) => LogoFormat::Jpeg,
        Ok(_) | Err(_) => return Err(LogoError::OtherFormat),
    };
    let size = imagesize::blob_size(&bytes).map_err(|_| LogoError::OtherFormat)?;
    let side = |pixels: usize| {
        u16::try_from(pixels)
            .ok()
            .filter(|pixels| (1..=MOST_PIXELS).contains(pixels))
            .ok_or(LogoError::Pixels)
    };
    Ok(Logo {
        format,
        width: side(size.width)?,
        height: side(size.height)?,
        bytes: Arc::new(bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a PNG that claims these sides.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend([8, 6, 0, 0, 0]);
        bytes
    }

    #[test]
    fn what_is_no_logo_is_said() {
        let huge = usize::try_from(MOST_BYTES).unwrap() + 1;
        let table = [
            (vec![], "is neither PNG nor JPEG"),
            (b"<svg/>".to_vec(), "is neither PNG nor JPEG"),
            (b"GIF89a\x01\0\x01\0".to_vec(), "is neither PNG nor JPEG"),
            (png(100, 1_501), "must have 1 to 1500 pixels on a side"),
            (png(0, 10), "must have 1 to 1500 pixels on a side"),
            (vec![0; huge], "is larger than 512 KiB"),
        ];
        for (bytes, expected) in table {
            assert_eq!(logo(bytes).unwrap_err().to_string(), expected);
        }
        let good = logo(png(300, 200)).unwrap();
        assert_eq!((good.width, good.height), (300, 200));
    }
}
