//! The sentences of the pages, a struct with a field for each: what is missing in a language does not
//! compile, and nothing is looked up by name while a page is drawn. (There are no plurals, which a
//! message format such as Fluent would be for.)

pub(super) mod de;
pub(super) mod en;
pub(super) mod it;

/// The sentences in one language.
#[derive(Debug)]
pub(super) struct Words {
    /// Skip link.
    pub skip: &'static str,
    /// Label of the switch.
    pub language: &'static str,
    /// Heading of an open notice.
    pub payment: &'static str,
    /// Label.
    pub amount: &'static str,
    /// Label.
    pub child: &'static str,
    /// Before the child's code.
    pub child_code: &'static str,
    /// Label.
    pub service: &'static str,
    /// Label.
    pub subject: &'static str,
    /// Label.
    pub due: &'static str,
    /// Label.
    pub creditor: &'static str,
    /// Label.
    pub creditor_code: &'static str,
    /// Label.
    pub notice_number: &'static str,
    /// Button.
    pub pay_online: &'static str,
    /// Under the button.
    pub pay_online_hint: &'static str,
    /// Button and heading.
    pub notice: &'static str,
    /// Under the button.
    pub notice_hint: &'static str,
    /// Link and button.
    pub delete: &'static str,
    /// Link.
    pub back: &'static str,
    /// Link.
    pub back_to_portal: &'static str,
    /// After Checkout's cancel.
    pub turned_back: &'static str,
    /// After Checkout's error.
    pub went_wrong: &'static str,
    /// When Checkout gives no page.
    pub checkout_down: &'static str,
    /// When the node says that a payment runs.
    pub checkout_running: &'static str,
    /// Heading above the QR code.
    pub show_at_counter: &'static str,
    /// Under it.
    pub show_at_counter_hint: &'static str,
    /// Text of the QR code.
    pub qr_alt: &'static str,
    /// Heading above the numbers.
    pub or_dictate: &'static str,
    /// Button.
    pub download: &'static str,
    /// Button.
    pub send_mail: &'static str,
    /// Before the masked address.
    pub send_mail_to: &'static str,
    /// After it.
    pub mail_sent: &'static str,
    /// Heading.
    pub delete_question: &'static str,
    /// Under it.
    pub delete_hint: &'static str,
    /// Button.
    pub delete_yes: &'static str,
    /// Link.
    pub delete_no: &'static str,
    /// Heading.
    pub waiting: &'static str,
    /// Under it.
    pub waiting_hint: &'static str,
    /// When the page updates itself.
    pub waiting_script: &'static str,
    /// Button.
    pub refresh: &'static str,
    /// Link.
    pub see_notice: &'static str,
    /// Heading.
    pub paid: &'static str,
    /// Under it.
    pub paid_hint: &'static str,
    /// Label.
    pub paid_on: &'static str,
    /// Button.
    pub receipt: &'static str,
    /// Heading.
    pub settled: &'static str,
    /// Under it.
    pub settled_hint: &'static str,
    /// Label.
    pub settled_on: &'static str,
    /// Label.
    pub settled_by: &'static str,
    /// Means.
    pub by_cash: &'static str,
    /// Means.
    pub by_pos: &'static str,
    /// Means.
    pub by_transfer: &'static str,
    /// Means.
    pub by_other: &'static str,
    /// Heading.
    pub cancelled: &'static str,
    /// Under it.
    pub cancelled_hint: &'static str,
    /// Heading.
    pub expired: &'static str,
    /// Under it.
    pub expired_hint: &'static str,
    /// Label.
    pub ended_on: &'static str,
    /// Heading.
    pub not_found: &'static str,
    /// Under it.
    pub not_found_hint: &'static str,
    /// Heading.
    pub link_expired: &'static str,
    /// Under it.
    pub link_expired_hint: &'static str,
    /// Heading.
    pub wrong_return: &'static str,
    /// Under it.
    pub wrong_return_hint: &'static str,
    /// Heading.
    pub forbidden: &'static str,
    /// Under it.
    pub forbidden_hint: &'static str,
    /// Heading.
    pub unavailable: &'static str,
    /// Under it.
    pub unavailable_hint: &'static str,
    /// Heading.
    pub bad_request: &'static str,
    /// Under it.
    pub bad_request_hint: &'static str,
    /// Subject of the mail with a notice, before its number.
    pub mail_subject: &'static str,
    /// Text of that mail.
    pub mail_text: &'static str,
    /// How it begins.
    pub mail_greeting: &'static str,
    /// In the footer, before the creditor's name.
    pub page_of: &'static str,
    /// In the footer.
    pub privacy: &'static str,
    /// Heading.
    pub top_up: &'static str,
    /// Under it.
    pub top_up_hint: &'static str,
    /// Legend.
    pub choose_service: &'static str,
    /// Legend.
    pub choose_amount: &'static str,
    /// Choice.
    pub other_amount: &'static str,
    /// Label of the field.
    pub other_amount_label: &'static str,
    /// Hint, with {min} and {max}.
    pub limits: &'static str,
    /// Legend.
    pub your_data: &'static str,
    /// Under it.
    pub your_data_hint: &'static str,
    /// Label.
    pub email: &'static str,
    /// Label.
    pub payer_code: &'static str,
    /// Label.
    pub child_fiscal_code: &'static str,
    /// Button.
    pub go_on: &'static str,
    /// Heading of the summary of errors.
    pub errors: &'static str,
    /// Before the title of a page with errors.
    pub error: &'static str,
    /// Error.
    pub error_service: &'static str,
    /// Error.
    pub error_amount: &'static str,
    /// Error.
    pub error_amount_form: &'static str,
    /// Error, with {min} and {max}.
    pub error_amount_limits: &'static str,
    /// Error.
    pub error_email: &'static str,
    /// Error.
    pub error_fiscal_code: &'static str,
    /// Heading.
    pub no_service: &'static str,
    /// Under it.
    pub no_service_hint: &'static str,
}

impl Words {
    /// A sentence with two amounts in it.
    pub(super) fn between(sentence: &str, min: &str, max: &str) -> String {
        sentence.replace("{min}", min).replace("{max}", max)
    }
}
