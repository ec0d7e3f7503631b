// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of no_exceptions that is built with exceptions.
 */
#include <ipcx.hpp>

bool throws(const std::string &uri)
{
	try {
		ipcx::queue::open(uri, IPCX_SEND);
	} catch (const ipcx::error &) {
		return true;
	}
	return false;
}
