//! What the pages are drawn with: Bootstrap Italia's style, icons and font (`assets/bootstrap-italia`),
//! and a style and a script of our own. All of it is compiled in and served here; the address holds a
//! fingerprint of the contents, so that browsers may keep it for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::compression::CompressionLayer;

use crate::wire::digest::sha256;

struct Asset {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($folder:literal, $name:literal, $media:literal) => {
        Asset {
            name: $name,
            media: $media,
            bytes: include_bytes!(concat!("../../../assets/", $folder, "/", $name)),
        }
    };
}

const ASSETS: [Asset; 7] = [
    asset!("bootstrap-italia", "bootstrap-italia.min.css", "text/css"),
    asset!("bootstrap-italia", "sprites.svg", "image/svg+xml"),
    asset!(
        "bootstrap-italia",
        "titillium-web-v10-latin-ext_latin-regular.woff2",
        "font/woff2"
    ),
    asset!(
        "bootstrap-italia",
        "titillium-web-v10-latin-ext_latin-600.woff2",
        "font/woff2"
    ),
    asset!(
        "bootstrap-italia",
        "titillium-web-v10-latin-ext_latin-700.woff2",
        "font/woff2"
    ),
    asset!("pay", "pay.css", "text/css"),
    asset!("pay", "pay.js", "text/javascript"),
];

/// The folder of the assets' addresses, without a stroke at its end.
static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let prints: String = ASSETS.iter().map(|asset| sha256(asset.bytes)).collect();
    let all = sha256(prints.as_bytes());
    format!("/assets/{}", all.get(..16).unwrap_or_default())
});

pub(super) fn folder() -> &'static str {
    &FOLDER
}

pub(super) fn router() -> Router {
    Router::new()
        .route("/assets/{print}/{name}", get(asset))
        .layer(CompressionLayer::new())
}

async fn asset(Path((print, name)): Path<(String, String)>) -> Response {
    let is_current = folder().strip_prefix("/assets/") == Some(print.as_str());
    match ASSETS.iter().find(|asset| asset.name == name && is_current) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.media),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ],
            asset.bytes,
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
