//! The bodies of requests other than chat. Unknown fields are refused in each object.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ResponseFormat;

/// The body of `POST /v1/embeddings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedRequest {
    /// The model.
    pub model: String,
    /// A text, or a list of texts.
    pub input: Value,
    /// The dimension of an embedding, where the model supports a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_dimension: Option<u32>,
    /// `float`, `int8`, `uint8`, `binary`, `ubinary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_dtype: Option<String>,
    /// `float` or `base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<String>,
    /// Stored by the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// The body of `POST /v1/moderations` and `POST /v1/classifications`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifyRequest {
    /// The model.
    pub model: String,
    /// A text, or a list of texts.
    pub input: Value,
    /// Stored by the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// The body of `POST /v1/ocr`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OcrRequest {
    /// The model.
    pub model: String,
    /// See [`document_chunk`](super::document_chunk), [`image_chunk`](super::image_chunk) and
    /// [`file_chunk`](super::file_chunk).
    pub document: Value,
    /// Page numbers from 0, as a list or as a text such as `0-3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<Value>,
    /// Whether images are included, as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_image_base64: Option<bool>,
    /// The most images to return.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_limit: Option<u32>,
    /// The minimum height and width of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_min_size: Option<u32>,
    /// The format for annotating each image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bbox_annotation_format: Option<ResponseFormat>,
    /// The format for annotating the whole document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_annotation_format: Option<ResponseFormat>,
    /// Instructions for the document annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_annotation_prompt: Option<String>,
    /// `markdown` or `html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_format: Option<String>,
    /// Whether headers are extracted separately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract_header: Option<bool>,
    /// Whether footers are extracted separately.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract_footer: Option<bool>,
    /// Whether pages are also returned as blocks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_blocks: Option<bool>,
    /// `word`, `page` or `block`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_scores_granularity: Option<String>,
}
