//! Configurations that people paste from the documentation.

use std::fs;
use std::path::Path;

use super::*;

#[test]
fn every_snippet_of_the_shipped_plugins_is_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let plugins = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let mut snippets = 0;
    for plugin in plugins.filter(|path| path.is_dir()) {
        let name = plugin.file_name().and_then(|name| name.to_str()).expect("a name");
        let readme = fs::read_to_string(plugin.join("README.md")).expect(name);
        let blocks = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        // Schedules are another branch of the same work.
        for snippet in blocks.filter(|block| !block.contains("[[schedule]]")) {
            let (config, _) = good(snippet);
            assert!(snippet.contains(&format!("{name}/")), "{name}: none of its handlers is used");
            assert!(config.plugins.keys().all(|plugin| plugin == name), "{name}");
            snippets += 1;
        }
    }
    assert!(snippets >= 5, "{snippets} snippets");
}
