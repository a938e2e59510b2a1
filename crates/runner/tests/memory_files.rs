//! A model whose files somebody brought, its weights in pieces, is the model of the file system: each tensor is asked for
//! once, in whatever order the architecture wants.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use quire_runner::{CandleRunner, FileSystem, MemoryFiles, ModelFiles, RunnerOptions, WeightStream};

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let has_weights = |path: &PathBuf| {
        ["model.safetensors", "model.safetensors.index.json"].iter().any(|file| path.join(file).exists())
    };
    folders.filter(has_weights).collect()
}

fn brought(directory: &Path) -> MemoryFiles {
    let files = MemoryFiles::default();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("safetensors") => {
                let bytes = fs::read(&path).unwrap();
                let mut stream = WeightStream::new(&path, bytes.len() as u64).unwrap();
                bytes.chunks(1009).for_each(|piece| stream.push(piece).unwrap());
                files.write_weights(&path, stream.finish().unwrap());
            }
            Some("json") => files.write(&path, fs::read(&path).unwrap()),
            _ => {}
        }
    }
    files
}

fn facts(files: &dyn ModelFiles, path: &Path) -> Result<String, String> {
    let loaded = CandleRunner::load(files, path, &RunnerOptions::default(), &|_| {});
    loaded.map(|runner| format!("{:?}", runner.model_info())).map_err(|error| error.code().to_owned())
}

#[test]
fn every_architecture_loads_from_memory() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 10, "the fixtures are in tests/fixtures");
    for path in fixtures {
        let files = brought(&path);
        let there = facts(&FileSystem, &path);
        assert_eq!(facts(&files, &path), there, "{}", path.display());
        if there.is_ok() {
            assert!(facts(&files, &path).is_err(), "weights are there once");
        }
    }
}
