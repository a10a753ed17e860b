//! Makes sure the folder of the built console exists, so that the crate builds without npm.

fn main() {
    let folder = std::path::Path::new("console/dist");
    if let Err(error) = std::fs::create_dir_all(folder) {
        println!("cargo:warning=console/dist cannot be created: {error}");
    }
    println!("cargo:rerun-if-changed=console/dist");
}
