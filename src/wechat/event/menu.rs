//! Taps on the account's menu (the platform's page "Custom menu event pushes").

use serde::{Deserialize, Serialize};

use crate::wechat::fields;

/// `VIEW` and `view_miniprogram`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MenuTap {
    /// The conditional menu that was shown.
    pub menu_id: Option<String>,
}

/// `scancode_push` and `scancode_waitmsg`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ScanCode {
    /// What was scanned.
    pub scan_code_info: ScanCodeInfo,
}

/// `ScanCodeInfo`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ScanCodeInfo {
    /// `qrcode` or `barcode`, perhaps others.
    pub scan_type: String,
    /// The code's text; of a barcode with its kind, such as `EAN_13,6901234567892`.
    pub scan_result: String,
}

/// `pic_sysphoto`, `pic_photo_or_album` and `pic_weixin`; the pictures themselves arrive as
/// messages.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SendPics {
    /// What was sent.
    pub send_pics_info: SendPicsInfo,
}

/// `SendPicsInfo`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SendPicsInfo {
    /// How many pictures.
    #[serde(deserialize_with = "fields::integer")]
    pub count: Option<i64>,
    /// Which pictures.
    pub pic_list: PicList,
}

/// `PicList`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PicList {
    /// One for each picture; may be empty.
    #[serde(rename = "item")]
    pub items: Vec<PicItem>,
}

/// `item` of `PicList`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PicItem {
    /// MD5 of the picture, hexadecimal.
    pub pic_md5_sum: String,
}

/// `location_select`; the place arrives as a message, too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SelectedLocation {
    /// What was chosen.
    pub send_location_info: SendLocationInfo,
}

/// `SendLocationInfo`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SendLocationInfo {
    /// `Location_X`: degrees of latitude, decimal text as received.
    #[serde(rename = "Location_X")]
    pub latitude: String,
    /// `Location_Y`: degrees of longitude, decimal text as received.
    #[serde(rename = "Location_Y")]
    pub longitude: String,
    /// Zoom of the map.
    #[serde(deserialize_with = "fields::integer")]
    pub scale: Option<i64>,
    /// The address.
    pub label: Option<String>,
    /// The name of the place.
    pub poiname: Option<String>,
}
