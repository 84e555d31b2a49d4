//! The seventeen status codes of gRPC, and which of them an HTTP status stands for.

/// A status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Status {
    /// Every code, each at its number, with its number as a text and its name as Envoy's access log writes it.
    pub const ALL: [(Status, &str, &str); 17] = [
        (Status::Ok, "0", "OK"),
        (Status::Cancelled, "1", "Canceled"),
        (Status::Unknown, "2", "Unknown"),
        (Status::InvalidArgument, "3", "InvalidArgument"),
        (Status::DeadlineExceeded, "4", "DeadlineExceeded"),
        (Status::NotFound, "5", "NotFound"),
        (Status::AlreadyExists, "6", "AlreadyExists"),
        (Status::PermissionDenied, "7", "PermissionDenied"),
        (Status::ResourceExhausted, "8", "ResourceExhausted"),
        (Status::FailedPrecondition, "9", "FailedPrecondition"),
        (Status::Aborted, "10", "Aborted"),
        (Status::OutOfRange, "11", "OutOfRange"),
        (Status::Unimplemented, "12", "Unimplemented"),
        (Status::Internal, "13", "Internal"),
        (Status::Unavailable, "14", "Unavailable"),
        (Status::DataLoss, "15", "DataLoss"),
        (Status::Unauthenticated, "16", "Unauthenticated"),
    ];

    /// The value of a `grpc-status` field. `None`: no number, or none that is known.
    pub fn parse(value: &[u8]) -> Option<Status> {
        let number = std::str::from_utf8(value).ok()?;
        Status::ALL.iter().find(|(_, text, _)| *text == number).map(|(status, ..)| *status)
    }

    /// What a response without a `grpc-status` means (the gRPC document "HTTP to gRPC Status Code Mapping").
    pub fn from_http(status: u16) -> Status {
        match status {
            400 => Status::Internal,
            401 => Status::Unauthenticated,
            403 => Status::PermissionDenied,
            404 => Status::Unimplemented,
            429 | 502 | 503 | 504 => Status::Unavailable,
            _ => Status::Unknown,
        }
    }

    /// The HTTP status that says the same (Envoy's `grpcToHttpStatus`, which follows `google.rpc.Code`).
    pub fn to_http(self) -> u16 {
        match self {
            Status::Ok => 200,
            Status::Cancelled => 499,
            Status::InvalidArgument | Status::FailedPrecondition | Status::OutOfRange => 400,
            Status::DeadlineExceeded => 504,
            Status::NotFound => 404,
            Status::AlreadyExists | Status::Aborted => 409,
            Status::PermissionDenied => 403,
            Status::ResourceExhausted => 429,
            Status::Unimplemented => 501,
            Status::Unknown | Status::Internal | Status::DataLoss => 500,
            Status::Unavailable => 503,
            Status::Unauthenticated => 401,
        }
    }

    /// As `grpc-status` has it.
    pub fn as_str(self) -> &'static str {
        Status::ALL[self as usize].1
    }

    /// `OK`, `DeadlineExceeded`.
    pub fn name(self) -> &'static str {
        Status::ALL[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_number() {
        for (at, (status, number, _)) in Status::ALL.into_iter().enumerate() {
            assert_eq!((status as usize, number), (at, at.to_string().as_str()));
            assert_eq!(Status::parse(number.as_bytes()), Some(status));
        }
        for other in ["", "17", "-1", "00", "+1", " 1", "1 ", "OK", "\u{663}"] {
            assert_eq!(Status::parse(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(Status::DeadlineExceeded.name(), "DeadlineExceeded");
    }

    #[test]
    fn http_statuses_map_as_grpc_says() {
        let rows = [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (429, 14),
            (502, 14),
            (503, 14),
            (504, 14),
            (200, 2),
            (408, 2),
            (413, 2),
            (418, 2),
            (426, 2),
            (431, 2),
            (500, 2),
            (0, 2),
        ];
        for (http, grpc) in rows {
            assert_eq!(Status::from_http(http) as u16, grpc, "{http}");
        }
    }
}
