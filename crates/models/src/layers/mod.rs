//! The layers that architectures are put together from.

mod activation;
mod attention;
mod decoder_block;
mod experts;
mod linear;
mod mlp;
mod norm;
mod output_head;
mod residual;
mod rope_angles;
mod ropes;

pub use activation::Activation;
pub(crate) use attention::{Attention, HeadLayout};
pub use attention::{HeadNorms, NormSpan};
pub(crate) use decoder_block::{DecoderBlock, DecoderStack, normed};
pub(crate) use experts::{Expert, Experts, Routing, SharedExpert};
pub use linear::Linear;
pub(crate) use mlp::Mlp;
pub use norm::Norm;
pub use output_head::{LogitsRule, OutputHead};
pub(crate) use residual::Residual;
pub use rope_angles::RopeAngles;
pub(crate) use ropes::{LengthRope, Ropes};
