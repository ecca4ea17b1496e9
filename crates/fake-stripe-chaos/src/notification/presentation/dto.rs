//! The bodies of notification.

use email_address::{EmailAddress, Options};
use serde::Serialize;
use serde_json::{Value, json};
use service_kit::{
    json::{Faults, FromJson, Node},
    time::from_millis,
};
use utoipa::ToSchema;

use crate::{
    notification::{
        application::Send,
        domain::{Channel, Notification},
    },
    shared::{
        ids::OrderId,
        presentation::{order_id, text},
    },
};

#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SendRequest {
    /// `email`, `sms` or `push`.
    #[schema(rename = "type", value_type = String, pattern = "^(email|sms|push)$", example = "email")]
    channel: Channel,
    /// An e-mail address, a telephone number (`+15550100`) or a device's token, depending on the type.
    #[schema(min_length = 1, max_length = 320, example = "customer@example.com")]
    recipient: String,
    #[schema(min_length = 1, max_length = 998, example = "Your order has shipped")]
    #[allow(dead_code, reason = "required, but personal, so it is checked and dropped")]
    subject: String,
    #[schema(min_length = 1, max_length = 10_000, example = "It is on its way.")]
    #[allow(dead_code, reason = "required, but personal, so it is checked and dropped")]
    message: String,
    #[schema(value_type = Option<String>, min_length = 1, max_length = 255, example = "order-1")]
    order_id: Option<OrderId>,
}

/// Reads a recipient that fits the channel. For an invalid channel, every text fits.
fn recipient(node: &Node<'_>, channel: Option<Channel>, faults: &mut Faults) -> Option<String> {
    let text = text(node, 320, faults)?;
    let fits = match channel {
        Some(Channel::Email) => {
            EmailAddress::parse_with_options(&text, Options::default().without_display_text()).is_ok()
        }
        Some(Channel::Sms) => is_telephone_number(&text),
        Some(Channel::Push) => text.bytes().all(|byte| byte.is_ascii_graphic()),
        None => true,
    };
    match channel {
        Some(channel) if !fits => node.fault(faults, format!("must be {}", recipient_kind(channel))),
        _ => Some(text),
    }
}

/// Accepts at most 15 digits, the limit of E.164, and the usual characters between them.
fn is_telephone_number(text: &str) -> bool {
    let rest = text.strip_prefix('+').unwrap_or(text);
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (3..=15).contains(&digits) && rest.bytes().all(|byte| byte.is_ascii_digit() || b" -.()".contains(&byte))
}

const fn recipient_kind(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "an e-mail address, since the type is email",
        Channel::Sms => "a telephone number such as +15550100, since the type is sms",
        Channel::Push => "a device's token of visible ASCII characters, since the type is push",
    }
}

impl FromJson for SendRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node.object(&["type", "recipient", "subject", "message", "orderId"], faults)?;
        let channel = object.required_with("type", faults, Node::parse);
        let recipient =
            object.required_with("recipient", faults, |node, faults| recipient(node, channel, faults));
        let subject = object.required_with("subject", faults, |node, faults| text(node, 998, faults));
        let message = object.required_with("message", faults, |node, faults| text(node, 10_000, faults));
        let order_id = order_id(&object, faults);
        Some(Self {
            channel: channel?,
            recipient: recipient?,
            subject: subject?,
            message: message?,
            order_id: order_id?,
        })
    }
}

impl SendRequest {
    /// Returns the body for the journal, without personal data.
    pub fn redacted(&self) -> Value {
        json!({
            "type": <&str>::from(self.channel),
            "orderId": self.order_id.as_ref().map(OrderId::as_str),
        })
    }

    /// Returns the command. `order` is from the header, for a body without one.
    pub fn into_command(self, order: Option<&OrderId>) -> Send {
        Send {
            channel: self.channel,
            recipient: self.recipient,
            order_id: self.order_id.or_else(|| order.cloned()),
        }
    }
}

/// A sent notification.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationView {
    #[schema(example = "ntf_0197a5c0f3d27e0f8b1c2d3e4f506172")]
    notification_id: String,
    /// `email`, `sms` or `push`.
    #[schema(example = "email")]
    r#type: &'static str,
    recipient: String,
    #[schema(example = "sent")]
    status: &'static str,
    #[schema(format = DateTime)]
    sent_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_id: Option<String>,
}

impl From<&Notification> for NotificationView {
    fn from(notification: &Notification) -> Self {
        Self {
            notification_id: notification.id.to_string(),
            r#type: notification.channel.into(),
            recipient: notification.recipient.clone(),
            status: "sent",
            sent_at: from_millis(notification.sent_at.millis()),
            order_id: notification.order_id.as_ref().map(ToString::to_string),
        }
    }
}
