//! What an answer of AWS means for whoever asked: ask again, look what became of it, or let a person help. The texts say
//! what to do and hold no secret.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use std::error::Error;

/// Why a call did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing was done, and it may be otherwise soon.
    Busy(String),
    /// It may or may not have been done.
    Open(String),
    /// Nothing was done, and asking again does not help: somebody must change something.
    Fixed(String),
}

impl Fault {
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Busy(text) | Self::Open(text) | Self::Fixed(text) => text,
        }
    }
}

/// What is called, for texts.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// `table waybill`, `bucket waybill-blobs`.
    pub(crate) what: String,
    /// Region and, where it is not AWS's own, the endpoint.
    pub(crate) at: String,
}

impl Place {
    pub(crate) fn new(what: String, sdk: &aws_types::SdkConfig) -> Self {
        let region = sdk.region().map_or("no region".to_owned(), |region| format!("region {region}"));
        let at = sdk.endpoint_url().map_or(region.clone(), |endpoint| format!("{region} at {endpoint}"));
        Self { what, at }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.what, self.at)
    }
}

/// What a failed call means.
pub(crate) fn fault<E>(error: &SdkError<E, HttpResponse>, place: &Place) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => answered(answer.err().code(), answer.err().message(), answer.raw().status().as_u16(), place),
        SdkError::ConstructionFailure(_) => Fault::Fixed(format!("{place} cannot be asked: {}", chain(error))),
        SdkError::TimeoutError(_) => Fault::Open(format!("{place} did not answer in time")),
        SdkError::DispatchFailure(failure) => {
            dispatch(failure.as_connector_error().map(|error| error as &(dyn Error + 'static)), error, place)
        }
        SdkError::ResponseError(answer) => {
            Fault::Open(format!("{place} gave an answer that cannot be read (status {})", answer.raw().status().as_u16()))
        }
        other => Fault::Open(format!("{place}: {}", chain(other))),
    }
}

/// An error and what is behind it, in words.
fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(one) = source {
        let text = one.to_string();
        // Some say what is behind them themselves.
        if texts.last().is_none_or(|last| !last.ends_with(&text)) {
            texts.push(text);
        }
        source = one.source();
    }
    texts.join(": ")
}

/// The request did not come through, or its answer did not. Without a connection, surely nothing was done.
fn dispatch(connector: Option<&(dyn Error + 'static)>, error: &dyn Error, place: &Place) -> Fault {
    let mut source = connector;
    let mut never_sent = false;
    while let Some(one) = source {
        never_sent |= one.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect);
        source = one.source();
    }
    let detail = chain(error);
    if detail.contains("redentials") {
        return Fault::Fixed(format!(
            "{place} cannot be asked without credentials: give this process an AWS role, a profile or keys ({detail})"
        ));
    }
    if never_sent {
        return Fault::Busy(format!("{place} cannot be reached; is the region right, and the network? ({detail})"));
    }
    Fault::Open(format!("the connection to {place} was lost ({detail})"))
}

fn answered(code: Option<&str>, message: Option<&str>, status: u16, place: &Place) -> Fault {
    let message = message.unwrap_or("no message");
    let code = code.unwrap_or("no code");
    let said = format!("{code}: {message}");
    match code {
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TransactionConflictException"
        | "ReplicatedWriteConflictException"
        | "SlowDown" => Fault::Busy(format!("{place} has too much to do ({said})")),
        "TransactionInProgressException" => Fault::Open(format!("the same transaction is still under way in {place}")),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Fault::Fixed(format!(
            "the credentials for {place} have expired: renew them, or give this process a role that renews them itself ({said})"
        )),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidAccessKeyId"
        | "MissingAuthenticationTokenException"
        | "MissingAuthenticationToken" => {
            Fault::Fixed(format!("AWS does not know the credentials for {place}: check keys, profile or role ({code})"))
        }
        "RequestTimeTooSkewed" => Fault::Fixed(clock(place, &said)),
        "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignatureException" => {
            if message.contains("expired") || message.contains("not yet current") {
                Fault::Fixed(clock(place, &said))
            } else {
                Fault::Fixed(format!("AWS does not accept the secret key for {place}: check keys, profile or role ({code})"))
            }
        }
        "AccessDeniedException" | "AccessDenied" | "AllAccessDisabled" => {
            Fault::Fixed(format!("the credentials do not allow this on {place}: extend the role's policy ({said})"))
        }
        "ResourceNotFoundException" => Fault::Fixed(missing(place)),
        "NoSuchBucket" => Fault::Fixed(format!("there is no {place}: create it, or correct its name or the region")),
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            Fault::Fixed(format!("{place} is in another region: correct the region ({said})"))
        }
        "ValidationException" if ["key element", "key schema", "required keys"].iter().any(|said| message.contains(said)) => {
            Fault::Fixed(format!("{place} was not made for Waybill: its keys are others than `pk` and `sk` ({said})"))
        }
        _ if status >= 500 => Fault::Open(format!("{place} is in trouble (status {status}, {said})")),
        _ if status == 429 => Fault::Busy(format!("{place} has too much to do ({said})")),
        _ => Fault::Fixed(format!("{place} refuses: {said}")),
    }
}

pub(crate) fn missing(place: &Place) -> String {
    format!("there is no {place}: create it, or correct its name, the region or the account")
}

fn clock(place: &Place, said: &str) -> String {
    format!("the clock of this machine is wrong by minutes, so {place} takes no request from it: set it right ({said})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { what: "table t".to_owned(), at: "region eu-west-1".to_owned() }
    }

    #[test]
    fn codes_say_what_may_be_done() {
        let busy = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "SlowDown"];
        let told = |code: &str, message: &str, status| answered(Some(code), Some(message), status, &place());
        assert!(busy.iter().all(|code| matches!(told(code, "", 400), Fault::Busy(_))));
        assert!(matches!(told("InternalServerError", "", 500), Fault::Open(_)));
        assert!(matches!(told("ServiceUnavailable", "", 503), Fault::Open(_)));
        assert!(matches!(told("TransactionInProgressException", "", 400), Fault::Open(_)));
        let advised = [
            ("ExpiredTokenException", "", "renew"),
            ("UnrecognizedClientException", "", "check keys"),
            ("InvalidSignatureException", "Signature expired: 1 is now earlier than 2", "clock"),
            ("InvalidSignatureException", "The request signature we calculated does not match", "secret key"),
            ("RequestTimeTooSkewed", "", "clock"),
            ("AccessDeniedException", "User x is not authorized", "policy"),
            ("ResourceNotFoundException", "", "create it"),
            ("NoSuchBucket", "", "create it"),
            ("PermanentRedirect", "", "correct the region"),
            ("ValidationException", "The provided key element does not match the schema", "`pk` and `sk`"),
            ("ValidationException", "One of the required keys was not given a value", "`pk` and `sk`"),
            ("SomethingNew", "what", "refuses: SomethingNew: what"),
        ];
        for (code, message, advice) in advised {
            let fault = told(code, message, 400);
            assert!(matches!(&fault, Fault::Fixed(text) if text.contains(advice) && text.contains("eu-west-1")), "{fault:?}");
        }
        assert!(matches!(answered(None, None, 429, &place()), Fault::Busy(_)));
    }
}
