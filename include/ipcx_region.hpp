/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Regions, of ipcx in C++17. Part of ipcx.hpp.
 */
#ifndef IPCX_REGION_HPP
#define IPCX_REGION_HPP

#include <sys/mman.h>

#include "ipcx_channel.hpp"

namespace ipcx
{
inline namespace IPCX_FAILURES
{

namespace detail
{

template <> struct functions<ipcx_region> {
	using opts = ipcx_region_opts;
	static constexpr auto open = ipcx_region_open;
	static constexpr auto unlink = ipcx_region_unlink;
	static constexpr auto close = ipcx_region_close;
	static constexpr auto fd = ipcx_region_fd;
	static constexpr auto caps = ipcx_region_caps;
};

} /* namespace detail */

/* struct ipcx_region_opts with its size set and all else 0 */
using region_opts = detail::sized<ipcx_region_opts>;

/**
 * class mapping - a part of a region in the memory of this process
 *
 * Only moved, never copied; its destructor unmaps it. It may outlive its region. What others do
 * there at the same time is for all of them to agree on: use std::atomic and the like.
 */
class mapping
{
	void *data_ = nullptr;
	std::size_t size_ = 0;

	friend class region;

public:
	mapping() = default;

	mapping(mapping &&from) noexcept
		: data_(std::exchange(from.data_, nullptr)), size_(std::exchange(from.size_, 0))
	{
	}

	mapping &operator=(mapping &&from) noexcept
	{
		if (this != &from) {
			unmap();
			data_ = std::exchange(from.data_, nullptr);
			size_ = std::exchange(from.size_, 0);
		}
		return *this;
	}

	~mapping()
	{
		unmap();
	}

	void unmap() noexcept
	{
		if (data_)
			(void)munmap(data_, size_);
		data_ = nullptr;
		size_ = 0;
	}

	explicit operator bool() const noexcept
	{
		return data_;
	}

	std::byte *data() const noexcept
	{
		return static_cast<std::byte *>(data_);
	}

	std::size_t size() const noexcept
	{
		return size_;
	}

	span<std::byte> bytes() const noexcept
	{
		return span<std::byte>(data(), size());
	}

	/**
	 * as() - the object that lies there
	 *
	 * @T is const if the mapping cannot be written. New regions are all zero. Throws EMSGSIZE
	 * if there are fewer bytes, EINVAL if a page is not aligned for it.
	 */
	template <class T> T &as() const
	{
		static_assert(std::is_standard_layout_v<T> && std::is_trivially_destructible_v<T>,
			      "a type that means the same to all processes");
		return detail::fit<T>(data_, size_);
	}

	/* As many as there is room for */
	template <class T> span<T> as_span() const
	{
		static_assert(std::is_standard_layout_v<T> && std::is_trivially_destructible_v<T>,
			      "a type that means the same to all processes");
		return detail::fit_row<T>(data_, size_ - size_ % sizeof(T));
	}
};

/**
 * class region - an open region
 *
 * Only moved, never copied; its destructor closes it, and leaves its mappings. What was moved from
 * may only be assigned to or destroyed.
 *
 * Each function is that of C whose name it has behind "ipcx_region_", and throws class error with
 * the errno that the comment there explains. Those with try_ throw nothing. open(), unlink(),
 * close(), fd() and caps() are in ipcx_channel.hpp.
 */
class region : public detail::handle<region, ipcx_region>
{
public:
	using handle::handle;

	std::size_t size() const
	{
		return try_size().value();
	}

	result<std::size_t> try_size() const noexcept
	{
		return result<std::size_t>::make([&](std::size_t &n) noexcept {
			std::int64_t r = ipcx_region_size(get());

			n = r < 0 ? 0 : static_cast<std::size_t>(r);
			return r;
		});
	}

	/**
	 * map() - map a part of it
	 * @prot: PROT_READ, PROT_WRITE or both
	 * @offset: where the part begins, a multiple of the page size
	 * @len: its length; 0 is up to the end as it is now
	 */
	mapping map(int prot, std::size_t offset = 0, std::size_t len = 0)
	{
		return try_map(prot, offset, len).value();
	}

	result<mapping> try_map(int prot, std::size_t offset = 0, std::size_t len = 0) noexcept
	{
		if (!len) {
			auto end = try_size();

			if (!end)
				return failure{ end.error().value() };
			if (*end <= offset)
				return failure{ EINVAL, "the region has nothing at this offset" };
			len = *end - offset;
		}
		return result<mapping>::make([&](mapping &m) noexcept {
			m.data_ = ipcx_region_map(get(), offset, len, prot);
			m.size_ = m.data_ ? len : 0;
			return m.data_ ? 0 : -errno;
		});
	}

	void resize(std::size_t size)
	{
		try_resize(size).value();
	}

	result<void> try_resize(std::size_t size) noexcept
	{
		return result<void>::of(ipcx_region_resize(get(), size));
	}

	/* IPCX_SEAL_*: forbids that to all, for ever. */
	void seal(unsigned int seals)
	{
		try_seal(seals).value();
	}

	result<void> try_seal(unsigned int seals) noexcept
	{
		return result<void>::of(ipcx_region_seal(get(), seals));
	}
};

} /* namespace IPCX_FAILURES */
} /* namespace ipcx */

#endif /* IPCX_REGION_HPP */
