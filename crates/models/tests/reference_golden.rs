//! The reference backend against transformers.

mod golden;

use golden::{check_golden, fixtures, shared_models, skipped};
use quire_models::ReferenceBackend;

#[test]
fn fixtures_agree_with_transformers() {
    let models = fixtures();
    assert!(!models.is_empty(), "tests/fixtures has no checkpoints");
    for model in models {
        check_golden(ReferenceBackend, &model, 2e-4);
    }
}

#[test]
fn shared_models_agree_with_transformers() {
    match shared_models() {
        Ok(models) => models.iter().for_each(|model| {
            check_golden(ReferenceBackend, model, 1e-3);
        }),
        Err(reason) => skipped("shared_models_agree_with_transformers", &reason),
    }
}
