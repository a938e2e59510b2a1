//! Links the addon as Node-API asks.
fn main() {
    napi_build::setup();
}
