/* SPDX-License-Identifier: GPL-2.0-only */
/* Regions by the ioctl: part of region. */
#ifndef REGION_RAW_H
#define REGION_RAW_H

#include <sys/stat.h>

#include "region_use.h"

/* The ioctl, one thing wrong at a time */
static int raw(__u32 size, __u32 flags, const char *name, __u32 mode, __u64 bytes, __u32 reserved)
{
	struct {
		struct ipcx_region_open o;
		char more[PAGE];
	} arg = {
		.o = {
			.size = size,
			.flags = flags,
			.name = (uintptr_t)name,
			.name_len = name ? strlen(name) : 0,
			.mode = mode,
			.bytes = bytes,
			.__reserved = reserved,
		},
	};
	int fd = device_ioctl(IPCX_IOC_REGION_OPEN, &arg);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* The result cannot be written: nothing is left of the region. The number of files is rough. */
TEST(result_unwritable)
{
	struct ipcx_region_open *o =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	struct ipcx_info before = { .size = sizeof(before) }, after = before;
	long refs = module_refs(), files = files_of_the_system();

	*o = (struct ipcx_region_open){ .size = sizeof(*o), .flags = BOTH | CREATE, .mode = 0600 };
	ASSERT_EQ(0, mprotect(o, PAGE, PROT_READ));
	ASSERT_EQ(0, xioctl(dev, IPCX_IOC_INFO, &before));
	for (int i = 0; i < 2000; i++)
		ASSERT_EQ(-EFAULT, xioctl(dev, IPCX_IOC_REGION_OPEN, o));
	ASSERT_EQ(0, xioctl(dev, IPCX_IOC_INFO, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(after)));
	EXPECT_EQ(refs, module_refs());
	EXPECT_GT(1000, files_of_the_system() - files);
	close(dev);
	munmap(o, PAGE);
}

TEST(ioctl_arguments)
{
	const __u32 size = sizeof(struct ipcx_region_open), both = BOTH | CREATE;
	struct ipcx_region_open bad = { .size = size, .flags = both, .name = 0x10, .name_len = 3 };

	ASSERT_EQ(64, size);
	for (__u32 i = 0; i < size; i++)
		EXPECT_EQ(-EINVAL, raw(i, both, NULL, 0600, 0, 0));
	EXPECT_EQ(0, raw(size, both, NULL, 0600, 0, 0));
	EXPECT_EQ(0, raw(size + 8, both, NULL, 0600, 0, 0));
	EXPECT_EQ(-E2BIG, raw(PAGE + 1, both, NULL, 0600, 0, 0));
	for (int bit = 0; bit < 32; bit++)
		if (!(IPCX_REGION_VALID_FLAGS & 1U << bit))
			EXPECT_EQ(-EOPNOTSUPP, raw(size, both | 1U << bit, NULL, 0600, 0, 0));
	EXPECT_EQ(-EINVAL, raw(size, both, NULL, 0600, 0, 1));
	EXPECT_EQ(-EINVAL, raw(size, both, NULL, 01000, 0, 0));
	EXPECT_EQ(-EINVAL, raw(size, both, NULL, 0600, 1ULL << 63, 0));
	EXPECT_EQ(-EINVAL, raw(size, both, ".x", 0600, 0, 0));
	EXPECT_EQ(-EINVAL, raw(size, both, "a/b", 0600, 0, 0));
	EXPECT_EQ(-EINVAL, raw(size, CREATE, "x", 0600, 0, 0));
	EXPECT_EQ(-EINVAL, raw(size, BOTH, NULL, 0600, 0, 0));
	EXPECT_EQ(-EINVAL, raw(size, BOTH | IPCX_OPEN_EXCL, "x", 0600, 0, 0));
	EXPECT_EQ(-EFAULT, device_ioctl(IPCX_IOC_REGION_OPEN, &bad));
	EXPECT_EQ(-EFAULT, device_ioctl(IPCX_IOC_REGION_OPEN, (void *)0x10));
	EXPECT_EQ(-ENOENT, raw(size, BOTH, "x", 0600, 0, 0));
}

/* The memory is whose the device was opened by, as the name is. */
TEST(credentials_of_the_opener)
{
	int dev = open("/dev/ipcx", O_RDWR | O_CLOEXEC);
	pid_t pid = fork();

	if (!pid) {
		struct ipcx_region_open o = {
			.size = sizeof(o),
			.flags = CREATE | BOTH,
			.mode = 0600,
		};
		struct stat st;
		int fd;

		if (setgid(2000) || setuid(2000))
			_exit(1);
		fd = xioctl(dev, IPCX_IOC_REGION_OPEN, &o);
		_exit(fd < 0 || fstat(fd, &st) || st.st_uid || st.st_gid || o.out_uid ? 2 : 0);
	}
	EXPECT_EQ(0, exit_status(pid));
	close(dev);
}

/* The reply has no place: nothing is there but before. */
TEST(reply_not_writable)
{
	struct ipcx_region_open *o =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = dup(0);

	close(fd);
	*o = (struct ipcx_region_open){ .size = sizeof(*o),
					.flags = CREATE | BOTH,
					.mode = 0600,
					.name = (uintptr_t) "reply",
					.name_len = 5 };
	ASSERT_EQ(0, mprotect(o, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, device_ioctl(IPCX_IOC_REGION_OPEN, o));
	EXPECT_EQ(-ENOENT, raw(sizeof(*o), BOTH, "reply", 0600, 0, 0));
	EXPECT_EQ(fd, dup(0)); /* no descriptor was used up */
	close(fd);
}

/* Nobody who opens a region waits for who has a lease on its file. */
TEST(file_lease)
{
	struct ipcx_region_open o = { .size = sizeof(o),
				      .flags = CREATE | BOTH,
				      .mode = 0600,
				      .name = (uintptr_t) "lease",
				      .name_len = 5 };
	int fd = device_ioctl(IPCX_IOC_REGION_OPEN, &o);

	ASSERT_LE(0, fd);
	signal(SIGIO, SIG_IGN); /* it tells who has the lease */
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_WRLCK));
	EXPECT_EQ(-EAGAIN, raw(sizeof(o), BOTH, "lease", 0600, 0, 0));
	ASSERT_EQ(0, fcntl(fd, F_SETLEASE, F_UNLCK));
	EXPECT_EQ(0, raw(sizeof(o), BOTH, "lease", 0600, 0, 0));
	close(fd);
	EXPECT_EQ(0, ipcx_region_unlink("lease"));
}

#endif /* REGION_RAW_H */
