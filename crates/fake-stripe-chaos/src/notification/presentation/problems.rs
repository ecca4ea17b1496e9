//! The error codes of notification.

use serde_json::Value;
use service_kit::{error_codes, problem::Problem};

use super::dto::NotificationView;
use crate::{
    notification::domain::{Notification, NotificationError},
    shared::{presentation::Present, resource::Snapshot},
};

error_codes! {
    /// The error codes of notification.
    pub enum NotificationCode {
        NotFound = "notification_not_found", 404, "There is no such notification", final;
    }
}

impl Present for Notification {
    fn problem(error: &NotificationError) -> Problem {
        let code = match error {
            NotificationError::NotFound(_) => NotificationCode::NotFound,
        };
        Problem::new(code, error.to_string())
    }

    fn view(snapshot: &Snapshot<Self>) -> Value {
        serde_json::to_value(NotificationView::from(&snapshot.resource)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::resource::Resource;

    #[test]
    fn the_domain_and_the_body_have_the_same_code() {
        let error = NotificationError::NotFound(String::new());
        assert_eq!(Notification::problem(&error).code(), Notification::code(&error));
    }
}
