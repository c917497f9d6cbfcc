//! Every way in which a version's files can be wrong, and what is left behind: nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use turnout_core::ErrorCode;

use super::*;

const HELLO_SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A version's folder with `model.onnx`, which says "hello", and `weights/w.bin`; removed on drop.
struct Version(PathBuf);

impl Version {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("turnout-artifact-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("weights")).expect("makes");
        std::fs::write(path.join("model.onnx"), "hello").expect("writes");
        std::fs::write(path.join("weights/w.bin"), [7; 3]).expect("writes");
        Self(path)
    }

    fn copy(&self) -> PathBuf {
        self.0.join("cache/1")
    }

    fn spec(&self, size_bytes: u64, sha256: Option<&str>) -> ArtifactSpec {
        ArtifactSpec {
            path: self.0.clone(),
            entry: "model.onnx".to_owned(),
            private_copy: None,
            files: vec![
                file("model.onnx", size_bytes, sha256),
                file("weights/w.bin", 3, None),
            ],
        }
    }

    fn copied(&self) -> ArtifactSpec {
        ArtifactSpec {
            private_copy: Some(self.copy()),
            ..self.spec(5, Some(HELLO_SHA256))
        }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn file(name: &str, size_bytes: u64, sha256: Option<&str>) -> FileSpec {
    FileSpec {
        name: name.to_owned(),
        size_bytes,
        sha256: sha256.map(str::to_owned),
    }
}

fn memory(artifact: &Artifact) -> &[u8] {
    match artifact.source() {
        Source::Memory(bytes) => bytes,
        Source::File(path) => panic!("in a file: {path:?}"),
    }
}

#[test]
fn an_entry_is_read_and_checked() {
    let version = Version::new();
    for sha256 in [
        None,
        Some(HELLO_SHA256),
        Some(HELLO_SHA256.to_uppercase().as_str()),
    ] {
        let artifact = Artifact::read(&version.spec(5, sha256)).expect("reads");
        assert_eq!(memory(&artifact), b"hello");
    }
    let bare = ArtifactSpec {
        files: vec![],
        ..version.spec(0, None)
    };
    assert_eq!(memory(&Artifact::read(&bare).expect("reads")), b"hello");
}

#[test]
fn what_is_not_as_the_manifest_says_is_refused() {
    let version = Version::new();
    let path = version.0.join("model.onnx").display().to_string();
    let cases = [
        (
            version.spec(6, None),
            format!("a file has the wrong size: got 5, expected 6 bytes: `{path}`"),
        ),
        (
            version.spec(4, None),
            format!("a file has the wrong size: got more, expected 4 bytes: `{path}`"),
        ),
        (
            version.spec(5, Some("00")),
            format!("a file has the wrong sha256: got {HELLO_SHA256}, expected 00: `{path}`"),
        ),
        (
            ArtifactSpec {
                entry: "weights".to_owned(),
                ..version.spec(5, None)
            },
            format!("not a file: `{}`", version.0.join("weights").display()),
        ),
        (
            ArtifactSpec {
                entry: "none.onnx".to_owned(),
                ..version.spec(5, None)
            },
            format!(
                "a file cannot be read: No such file or directory (os error 2): `{}`",
                version.0.join("none.onnx").display()
            ),
        ),
    ];
    for (spec, message) in cases {
        let error = Artifact::read(&spec).expect_err("refused");
        assert_eq!(
            (error.code(), error.message()),
            (ErrorCode::ArtifactInvalid, message.as_str())
        );
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    let version = Version::new();
    for name in [
        "../model.onnx",
        "/etc/passwd",
        "weights/../../x",
        "./model.onnx",
        "",
    ] {
        for spec in [
            ArtifactSpec {
                entry: name.to_owned(),
                ..version.copied()
            },
            ArtifactSpec {
                files: vec![file(name, 1, None)],
                ..version.copied()
            },
        ] {
            let error = Artifact::read(&spec).expect_err("refused");
            assert!(
                error.message().starts_with("a file's name leads out"),
                "{error}"
            );
        }
    }
    assert!(!version.copy().exists());
}

#[test]
fn a_private_copy_has_all_files_and_goes_with_its_owner() {
    let version = Version::new();
    let artifact = Artifact::read(&version.copied()).expect("reads");
    let Source::File(entry) = artifact.source() else {
        panic!("in memory")
    };
    assert_eq!(
        Path::new(entry.to_str().expect("text")),
        version.copy().join("model.onnx")
    );
    assert_eq!(
        std::fs::read(version.copy().join("model.onnx")).expect("is there"),
        b"hello"
    );
    assert_eq!(
        std::fs::read(version.copy().join("weights/w.bin")).expect("is there"),
        [7; 3]
    );
    let mode = |name: &str| {
        version
            .copy()
            .join(name)
            .metadata()
            .expect("is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode(""), mode("model.onnx")), (0o700, 0o600));
    drop(artifact);
    assert!(!version.copy().exists());
}

#[test]
fn a_wrong_file_leaves_no_private_copy() {
    let version = Version::new();
    let spec = ArtifactSpec {
        private_copy: Some(version.copy()),
        ..version.spec(5, Some("00"))
    };
    assert_eq!(
        Artifact::read(&spec).expect_err("refused").code(),
        ErrorCode::ArtifactInvalid
    );
    assert!(!version.copy().exists());
}

#[test]
fn a_private_folder_has_one_owner() {
    let version = Version::new();
    let first = Artifact::read(&version.copied()).expect("reads");
    let error = Artifact::read(&version.copied()).expect_err("in use");
    assert!(
        error
            .message()
            .starts_with("the folder for a private copy is in use"),
        "{error}"
    );
    assert!(version.copy().join("model.onnx").exists());
    drop(first);
    drop(Artifact::read(&version.copied()).expect("free again"));
}

#[test]
fn what_a_killed_process_left_is_taken_over() {
    let version = Version::new();
    // A dead process's lock is gone, its lock file is not.
    std::fs::create_dir_all(version.copy()).expect("makes");
    std::fs::write(version.copy().join(".turnout-lock"), "").expect("writes");
    std::fs::write(version.copy().join("half a file"), "half").expect("writes");
    let artifact = Artifact::read(&version.copied()).expect("takes over");
    assert!(!version.copy().join("half a file").exists());
    drop(artifact);
    assert!(!version.copy().exists());
}

#[test]
fn a_folder_that_is_not_ours_is_left_alone() {
    let version = Version::new();
    std::fs::create_dir_all(version.copy()).expect("makes");
    std::fs::write(version.copy().join("thesis.txt"), "precious").expect("writes");
    let error = Artifact::read(&version.copied()).expect_err("refused");
    assert!(
        error
            .message()
            .starts_with("the folder for a private copy holds other files"),
        "{error}"
    );
    assert!(version.copy().join("thesis.txt").exists());
}
