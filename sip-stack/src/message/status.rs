//! Standard reason phrases.

/// The standard reason phrase of a status code, by its class if the code is unknown.
///
/// Source: RFC 3261 §21 and the SIP response code registry.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        ..200 => provisional(status),
        200..300 => success(status),
        300..400 => redirection(status),
        400..500 => request_failure(status),
        500..600 => server_failure(status),
        600.. => global_failure(status),
    }
}

fn provisional(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        _ => "Progress",
    }
}

fn redirection(status: u16) -> &'static str {
    match status {
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        _ => "Redirection",
    }
}

fn server_failure(status: u16) -> &'static str {
    match status {
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        _ => "Server Failure",
    }
}

fn request_failure(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity-Info",
        437 => "Unsupported Certificate",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        _ => "Request Failure",
    }
}

fn success(status: u16) -> &'static str {
    match status {
        202 => "Accepted",
        204 => "No Notification",
        _ => "OK",
    }
}

fn global_failure(status: u16) -> &'static str {
    match status {
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => "Global Failure",
    }
}

#[cfg(test)]
mod tests {
    use super::reason_phrase;

    #[test]
    fn every_code_has_a_phrase_of_its_class() {
        for (status, phrase) in [
            (100, "Trying"),
            (182, "Queued"),
            (200, "OK"),
            (202, "Accepted"),
            (302, "Moved Temporarily"),
            (486, "Busy Here"),
            (477, "Request Failure"),
            (503, "Service Unavailable"),
            (603, "Decline"),
            (699, "Global Failure"),
        ] {
            assert_eq!(reason_phrase(status), phrase, "{status}");
        }
        assert!((0..=u16::MAX).all(|status| !reason_phrase(status).is_empty()));
    }
}
