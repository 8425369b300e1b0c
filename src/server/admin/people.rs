//! What people are called.

use std::collections::HashMap;

use crate::page::person::called;
use crate::store::{Reader, StoreError};

/// What these people are called, by their openids.
pub fn names<'a>(
    reader: &Reader,
    openids: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, String>, StoreError> {
    let mut names = HashMap::new();
    for openid in openids {
        if !names.contains_key(openid) {
            names.insert(openid.to_owned(), name(reader, openid)?);
        }
    }
    Ok(names)
}

/// What somebody is called.
pub fn name(reader: &Reader, openid: &str) -> Result<String, StoreError> {
    let follower = reader.follower(openid)?;
    let (remark, nickname) = follower.map_or((None, None), |row| (row.remark, row.nickname));
    Ok(called(remark.as_deref(), nickname.as_deref(), openid))
}
