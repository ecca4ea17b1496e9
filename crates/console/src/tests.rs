//! Tests the pages over a scripted API.
