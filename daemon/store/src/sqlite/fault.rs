//! What SQLite's errors mean to the store.

use rusqlite::{ErrorCode, ffi};

use crate::StoreError;

/// Why a step of a transaction was not done.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only the item that met it.
    Item,
    /// There is no room; what was to be written is not, and the store goes on.
    Full,
    /// Another program holds the file; trying again later can work.
    Locked,
    /// What is on the disk is no longer known.
    Store,
}

impl Fault {
    pub(super) fn reach(&self) -> Reach {
        let error = match self {
            Self::Store(StoreError::Untrusted(_)) => return Reach::Store,
            Self::Store(_) => return Reach::Item,
            Self::Sql(error) => error,
        };
        let Some(failure) = error.sqlite_error() else { return Reach::Item };
        match failure.code {
            ErrorCode::DiskFull => Reach::Full,
            // The shared index of the log could not grow: the disk is full under another name.
            ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
                Reach::Full
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Reach::Locked,
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly => {
                Reach::Store
            }
            _ => Reach::Item,
        }
    }

    pub(super) fn into_error(self) -> StoreError {
        let reach = self.reach();
        let error = match self {
            Self::Store(error) => return error,
            Self::Sql(error) => error,
        };
        match (reach, &error) {
            (Reach::Full, _) => StoreError::Full(error.to_string()),
            (Reach::Locked, _) => StoreError::Busy,
            (Reach::Store, _) => StoreError::Untrusted(error.to_string()),
            (Reach::Item, error) if is_damage(error) => StoreError::Damaged(error.to_string()),
            (Reach::Item, error) => StoreError::Refused(error.to_string()),
        }
    }
}

/// Whether `error` says that the file does not hold what this program wrote.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        error => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
    }
}
