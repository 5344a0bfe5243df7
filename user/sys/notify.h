// SPDX-License-Identifier: GPL-2.0
/* systemd's readiness protocol, without its library. */
#pragma once

/*
 * Sends @state ("READY=1", "STOPPING=1", "RELOADING=1") to $NOTIFY_SOCKET; nothing where that is
 * unset. Source: sd_notify(3), "Notes": the protocol is one datagram and stable.
 */
void notify_send(const char *state);
