//! The vectors of `docs/protocol/vectors`: keys.json, link.json, bundle.json.

use std::fmt::Debug;
use std::path::Path;

use data_encoding::HEXLOWER;
use kith_app::{
    AppId, AppSecret, Destination, Link, Manifest, SignedVersion, SpaceKeys, SpaceSecret,
    check_path, pack,
};
use serde_json::{Value, json};

fn vectors(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let text = std::fs::read_to_string(folder.join(name)).expect("the vectors are there");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn cases<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let cases = vectors[name].as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    cases
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().expect("a string")
}

fn bytes(case: &Value, name: &str) -> Vec<u8> {
    HEXLOWER.decode(text(case, name).as_bytes()).expect("hex")
}

fn key(case: &Value, name: &str) -> [u8; 32] {
    bytes(case, name).try_into().expect("32 bytes")
}

/// The name of an error's variant, with what is inside.
fn name(error: impl Debug) -> String {
    format!("{error:?}")
}

#[test]
fn keys() {
    let vectors = vectors("keys.json");
    for case in cases(&vectors, "bundled_apps") {
        let secret = AppSecret::bundled(text(case, "name"));
        assert_eq!(secret.seed(), &key(case, "seed"));
        assert_eq!(secret.id().as_bytes(), &key(case, "public_key"));
        assert_eq!(secret.id().to_string(), text(case, "app"));
    }
    for case in cases(&vectors, "spaces") {
        let app = AppId::from_bytes(key(case, "app"));
        let keys = SpaceKeys::derive(&app, &SpaceSecret::from_bytes(key(case, "secret")));
        assert_eq!(keys.space, key(case, "space"));
        assert_eq!(keys.admission.as_bytes(), &key(case, "admission"));
        assert_eq!(keys.read.as_bytes(), &key(case, "read"));
        assert_eq!(keys.sync.as_bytes(), &key(case, "sync"));
        assert_eq!(keys.meeting.as_bytes(), &key(case, "meeting"));
    }
    for case in cases(&vectors, "public_spaces") {
        let app = AppId::from_bytes(key(case, "app"));
        let secret = SpaceSecret::public(&app);
        assert_eq!(secret.as_bytes(), &key(case, "secret"));
        assert_eq!(SpaceKeys::derive(&app, &secret).space, key(case, "space"));
    }
}

#[test]
fn links() {
    let vectors = vectors("link.json");
    for case in cases(&vectors, "valid") {
        let link: Link = text(case, "link").parse().expect("a valid link");
        assert_eq!(link.to_string(), text(case, "link"));
        assert_eq!(link.app().as_bytes(), &key(case, "app"));
        assert_eq!(link.path(), text(case, "path"));
        let invitation = link.invitation().map(|i| HEXLOWER.encode(&i.to_bytes()));
        assert_eq!(json!(invitation), case["invitation"]);
        let (destination, secret) = match link.destination() {
            Destination::App => ("app", None),
            Destination::PublicSpace => ("public space", None),
            Destination::Space(secret) => ("space", Some(HEXLOWER.encode(secret.as_bytes()))),
        };
        assert_eq!(destination, text(case, "destination"));
        assert_eq!(json!(secret), case["secret"]);
        let inviter = link.inviter().map(|inviter| {
            let addresses: Vec<_> = inviter.addresses().iter().map(ToString::to_string).collect();
            json!({"endpoint": HEXLOWER.encode(inviter.endpoint()), "addresses": addresses})
        });
        assert_eq!(json!(inviter), case["inviter"]);
    }
    for case in cases(&vectors, "spellings") {
        let link: Link = text(case, "link").parse().expect("a valid link");
        assert_eq!(link.to_string(), text(case, "canonical"), "{case}");
    }
    for case in cases(&vectors, "invalid") {
        let error = text(case, "link").parse::<Link>().expect_err("an invalid link");
        assert_eq!(name(error), text(case, "error"), "{case}");
    }
}

#[test]
fn signed_versions() {
    let vectors = vectors("bundle.json");
    for case in cases(&vectors, "signed_versions") {
        let secret = AppSecret::from_seed(&key(case, "seed"));
        let version = text(case, "version").parse().expect("a number");
        let size = case["size"].as_u64().expect("a number");
        let signed = SignedVersion::sign(&secret, version, key(case, "bundle"), size)
            .expect("within the limits");
        assert_eq!(signed.to_bytes().as_slice(), bytes(case, "signed"));
        assert_eq!(SignedVersion::from_bytes(&bytes(case, "signed")), Ok(signed));
    }
    let small_order = cases(&vectors, "versions_of_small_order");
    for case in cases(&vectors, "refused_versions").iter().chain(small_order) {
        let error = SignedVersion::from_bytes(&bytes(case, "bytes")).expect_err("is refused");
        assert_eq!(name(error), text(case, "error"), "{case}");
    }
}

#[test]
fn packed_bundles() {
    for case in cases(&vectors("bundle.json"), "packed") {
        let files =
            cases(case, "files").iter().map(|file| (text(file, "path"), text(file, "text")));
        let packed = pack(files).expect("a good bundle");
        assert_eq!(HEXLOWER.encode(&packed), text(case, "archive"));
        assert_eq!(json!(packed.len()), case["size"]);
        assert_eq!(blake3::hash(&packed).to_hex().as_str(), text(case, "blake3"));
    }
}

#[test]
fn names() {
    let vectors = vectors("bundle.json");
    let names = |list| cases(&vectors, list).iter().map(|name| name.as_str().expect("a string"));
    for name in names("names") {
        assert_eq!(check_path(name), Ok(()), "{name:?}");
    }
    for name in names("refused_names") {
        assert!(check_path(name).is_err(), "{name:?}");
    }
}

#[test]
fn manifests() {
    let vectors = vectors("bundle.json");
    for case in cases(&vectors, "manifests") {
        let manifest = Manifest::parse(text(case, "text").as_bytes()).expect("a good manifest");
        assert_eq!(json!(manifest.name), case["name"]);
        assert_eq!(json!(manifest.source_code_url), case["source_code_url"]);
        assert_eq!(manifest.description, text(case, "description"));
        let permissions: Vec<_> = manifest.permissions.iter().map(|p| p.name()).collect();
        assert_eq!(json!(permissions), case["permissions"]);
        assert_eq!(json!(manifest.interface), case["interface"]);
    }
    for case in cases(&vectors, "refused_manifests") {
        let error = Manifest::parse(text(case, "text").as_bytes()).expect_err("is refused");
        assert!(name(error).starts_with(text(case, "error")), "{case}");
    }
}
