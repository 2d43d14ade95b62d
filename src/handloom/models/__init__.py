"""Networks: functions from plain sizes to a Layer."""
