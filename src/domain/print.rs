//! What is printed on paper: languages, and what a creditor's letterhead shows.

use std::fmt;
use std::sync::Arc;

use super::day::Day;
use super::money::Cents;
use super::notice::NoticeNumber;

/// The languages of a printed notice. Italian always stands first: the payer's bank and the shop
/// look for its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// Italian only.
    #[default]
    Italian,
    /// Italian and German.
    ItalianGerman,
    /// Italian and English.
    ItalianEnglish,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [
        Language::Italian,
        Language::ItalianGerman,
        Language::ItalianEnglish,
    ];

    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::Italian => "it",
            Language::ItalianGerman => "it-de",
            Language::ItalianEnglish => "it-en",
        }
    }

    /// The language written as [`Language::as_str`] writes it.
    pub fn parse(text: &str) -> Option<Language> {
        Language::ALL
            .into_iter()
            .find(|language| language.as_str() == text)
    }
}

/// What a creditor's printed notices show besides its name and office.
#[derive(Debug, Clone, Default)]
pub struct Letterhead {
    /// Its coat of arms or mark.
    pub logo: Option<Arc<Logo>>,
    /// Where payers find help: site, telephone, e-mail; 1–100 characters (`ENTE.INFO`).
    pub contacts: Option<String>,
    /// Whether a notice can be paid on the creditor's own site (`ENTE.CANALE.ONLINE`).
    pub pays_online: bool,
    /// The interbank code of home banking (CBILL, also SIA code), five characters.
    pub cbill: Option<String>,
    /// What a postal slip needs; without it none is printed.
    pub postal: Option<PostalSlip>,
}

/// What a creditor may print on a postal slip (Poste Italiane, *stampa in proprio*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostalSlip {
    /// The postal account: the last twelve digits of its IBAN.
    pub account: String,
    /// In whose name it stands, 1–50 characters.
    pub holder: String,
    /// The authorisation to print, such as `AUT. DB/SSIC/E 9857 DEL 07/07/2000`.
    pub authorisation: String,
}

/// A picture that was looked at when it was read: its kind and its size are known.
#[derive(Clone, PartialEq, Eq)]
pub struct Logo {
    /// The file.
    pub bytes: Arc<Vec<u8>>,
    /// What kind of file.
    pub format: LogoFormat,
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
}

/// The kinds of pictures that can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl fmt::Debug for Logo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logo")
            .field("format", &self.format)
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// One of the parts in which a debt may be paid (*rata*), each with a notice number of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instalment {
    /// Its notice number.
    pub notice: NoticeNumber,
    /// How much.
    pub amount: Cents,
    /// By when.
    pub due_on: Day,
}
