//! The layers that architectures are put together from.

mod activation;
mod attention;
mod decoder_block;
mod linear;
mod mlp;
mod norm;
mod output_head;
mod rope_angles;

pub use activation::Activation;
pub use attention::HeadNorms;
pub(crate) use attention::{Attention, HeadLayout};
pub(crate) use decoder_block::{DecoderBlock, DecoderStack};
pub use linear::Linear;
pub(crate) use mlp::Mlp;
pub use norm::Norm;
pub use output_head::OutputHead;
pub use rope_angles::RopeAngles;
