# What LuCI's feed makes of a page's folder: htdocs for the web server, root for the router, po as
# translations. There each language is a package of its own; here all come with the page, so that
# whoever installs a file by hand needs one.
PKG_NAME := $(notdir $(CURDIR))
MAINTAINER := $(LUCI_MAINTAINER)

include $(INCLUDE_DIR)/package.mk

define Package/$(PKG_NAME)
  SECTION:=luci
  DEPENDS:=$(LUCI_DEPENDS)
  PKGARCH:=all
endef

define Package/$(PKG_NAME)/description
  $(LUCI_DESCRIPTION)
endef

# LuCI's name for a language where it is not the folder's.
language = $(subst zh_Hans,zh-cn,$(1))
compiled = $(1)/usr/lib/lua/luci/i18n/$(basename $(notdir $(2))).$(call language,$(notdir $(patsubst %/,%,$(dir $(2))))).lmo

define Package/$(PKG_NAME)/install
	$(INSTALL_DIR) $(1)/www $(1)/usr/lib/lua/luci/i18n
	$(CP) root/. $(1)/
	$(if $(wildcard htdocs),$(CP) htdocs/. $(1)/www/)
	$(foreach po,$(sort $(wildcard po/*/*.po)),$(TOPDIR)/../po2lmo $(po) $(call compiled,$(1),$(po)) &&) true
	chmod -R u=rwX,go=rX $(1)
endef

define Package/$(PKG_NAME)/postinst
[ -n "$${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache.*
	rm -rf /tmp/luci-modulecache/
	killall -HUP rpcd 2>/dev/null
	exit 0
}
endef

$(eval $(call BuildPackage,$(PKG_NAME)))
