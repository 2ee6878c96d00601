//! Secrets that the caller has sealed.

use hookyard_store::*;

use super::{Backend, T0, after};

fn sealed(name: &str, bytes: &[u8], set: u64) -> SealedSecret {
    SealedSecret {
        name: name.to_owned(),
        key: "a fingerprint".to_owned(),
        sealed: bytes.to_vec(),
        set_at: after(set),
    }
}

pub(crate) async fn a_secret_is_kept_until_it_is_removed<B: Backend>() {
    let backend = B::new();
    let store = backend.open().await;
    let (one, two) = (sealed("one", b"\0sealed", 0), sealed("two", b"sealed", 1));
    assert!(store.secrets().await.expect("reads").is_empty());
    store.put_secrets(vec![two.clone(), one.clone()]).await.expect("keeps");
    assert_eq!(store.secrets().await.expect("reads"), [one.clone(), two.clone()]);
    assert_eq!(one.set_at, T0);

    let again = sealed("one", b"another", 2);
    store.put_secrets(vec![again.clone()]).await.expect("replaces");
    store.close().await;
    let store = backend.open().await;
    assert_eq!(store.secrets().await.expect("reads"), [again, two.clone()]);
    assert!(store.remove_secret("one").await.expect("removes"));
    assert!(!store.remove_secret("one").await.expect("is gone"));
    assert_eq!(store.secrets().await.expect("reads"), [two]);
}
