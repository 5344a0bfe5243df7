// SPDX-License-Identifier: GPL-2.0
/* One feed of the config. */
#pragma once

#include "config_yaml.h"

/* Reads the mapping @node as one feed and adds it to @target, a struct config; every error is a row. */
void config_feed_read(struct config_walk *walk, yaml_node_t *node, void *target);
