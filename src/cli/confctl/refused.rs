//! What a refusal, or silence, means to whoever typed the command: a message, an exit code, what to do about it.

use crate::{
    cli::Failure,
    conference::client::Refusal,
    sip::{SendFault, Unheard},
};

/// What to do where nobody answers.
pub const SILENT: &str = "is relayd running there? name the server with --server, wait longer with --timeout";

/// What to do where there is no such conference.
const LISTED: &str = "confctl list shows the existing ones, and confctl create creates one";

/// What to do where the password is wrong.
const PASSWORD: &str = "check --as and the password: --password-file, CONFKIT_PASSWORD, or the line of the account in --credentials";

/// What to do where the server's certificate is not believed.
const UNTRUSTED: &str = "give --ca DATA_DIR/ca.pem: the authority in the data directory of that relayd";

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let failure = Self::from(refusal.failure());
        match refusal.unheard {
            Some(Unheard::Failed(SendFault::Untrusted { .. })) => failure.hint(UNTRUSTED),
            Some(_) => failure.hint(SILENT),
            None if refusal.status == 404 && refusal.text.starts_with("no conference") => failure.hint(LISTED),
            None if matches!(refusal.status, 401 | 407) => failure.hint(PASSWORD),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ExitCode;

    fn silence(why: Unheard) -> Failure {
        let server = "sips:192.0.2.1:5061".to_owned();
        Refusal { status: 503, text: String::new(), server, unheard: Some(why), retry_after: None }.into()
    }

    #[test]
    fn a_name_or_a_password_that_is_wrong_is_refused_with_what_to_do() {
        let refused = |status, text: &str| -> Failure { Refusal::here(status, text).into() };
        let missing = refused(404, "no conference x");
        assert_eq!((missing.code, missing.hint.as_deref()), (ExitCode::NotFound, Some(LISTED)));
        let password = refused(401, "Unauthorized");
        assert_eq!((password.code, password.hint.as_deref()), (ExitCode::Denied, Some(PASSWORD)));
        assert_eq!(refused(404, "Not Found").hint, None, "it may be something else");
    }

    #[test]
    fn who_does_not_answer_is_named_with_what_to_do() {
        let failure = silence(Unheard::Failed(SendFault::Refused));
        assert_eq!((failure.code, failure.hint.as_deref()), (ExitCode::Unreachable, Some(SILENT)));
        let why = SendFault::Untrusted { why: "UnknownIssuer".to_owned(), presented: Vec::new() };
        let failure = silence(Unheard::Failed(why));
        assert_eq!(failure.message, "the certificate of 192.0.2.1 is not trusted: UnknownIssuer");
        assert!(failure.hint.is_some_and(|hint| hint.contains("--ca DATA_DIR/ca.pem")));
    }
}
