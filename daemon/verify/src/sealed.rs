//! Handshakes that are encrypted with the secret. Events that are encrypted stay so: their signature
//! covers what was received, and whoever handles them has the key.

use aes::Aes256;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::json_items;
use crate::request::Request;
use crate::secret::Secret;

/// The longest body that is opened. Handshakes are short, and events are not to be decrypted for
/// nothing.
const LONGEST: usize = 4096;

/// The length of an initialisation vector.
const IV: usize = 16;

/// How a handshake is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// As Lark does: the JSON body's member `encrypt` is base64 of an initialisation vector and what
    /// AES-256-CBC makes of the actual body, with the secret's SHA-256 as the key.
    Lark,
}

/// The request with the body that one of the secrets opens.
pub(crate) fn open(seal: Seal, request: &Request, secrets: &[Secret]) -> Option<Request> {
    let Seal::Lark = seal;
    if request.body.len() > LONGEST {
        return None;
    }
    let items = json_items::items(&request.body, "", &["encrypt"]).ok()?;
    let text = items.into_iter().flatten().next()??;
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    let (iv, sealed) = bytes.split_at_checked(IV)?;
    let body = secrets.iter().find_map(|secret| {
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(secret.bytes()).into());
        let opened = Decryptor::<Aes256>::new_from_slices(&*key, iv).ok()?;
        let body = opened.decrypt_padded_vec::<Pkcs7>(sealed).ok()?;
        // With another key, what comes out is noise, of which some has a padding.
        json_items::items(&body, "", &[]).is_ok().then_some(body)
    })?;
    Some(Request { body: body.into(), ..request.clone() })
}
