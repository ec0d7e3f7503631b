# SPDX-License-Identifier: GPL-2.0-only
# To make, a blank ends a word; a ':' does so in its rules, and in the lists of install.mk.
#
# $(call one_path,NAME...): stops where one of these variables is no path of one word
one_path = $(foreach v,$1,$(if $(filter-out 0 1,$(words $($v)))$(findstring :,$($v)),$(error \
	$v is "$($v)": a path with a blank or a ':' in it cannot be used here, choose another)))
